//! What a page says of itself: OpenGraph, or its title. Enough of HTML for that, in one pass over bounded bytes.

use std::borrow::Cow;

/// How many characters of a title and of a description are kept.
const MAX_TITLE: usize = 300;
const MAX_DESCRIPTION: usize = 1000;

/// How long an address may be.
pub(super) const MAX_URL: usize = 2048;

/// What was found in a page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PageHead {
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    /// The address of its picture, as it stands there: it may be relative.
    pub(super) picture: Option<String>,
    pub(super) is_video: bool,
}

/// Reads a page, or the beginning of one. What is not HTML has nothing to say.
pub(super) fn read(page: &[u8]) -> PageHead {
    let page = String::from_utf8_lossy(page);
    let (mut graph, mut plain) = (PageHead::default(), PageHead::default());
    let mut rest: &str = &page;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
        } else if let Some(tag) = tag(rest, "meta") {
            let (attributes, behind) = attributes(tag);
            rest = behind;
            meta(&attributes, &mut graph, &mut plain);
        } else if let Some(tag) = tag(rest, "title") {
            let behind = attributes(tag).1;
            let end = behind.find("</").unwrap_or(behind.len());
            let (title, behind) = behind.split_at(end);
            plain.title = plain.title.or_else(|| text(title, MAX_TITLE));
            rest = behind;
        } else if let Some(name) = ["script", "style"].into_iter().find(|name| tag(rest, name).is_some()) {
            rest = behind_raw(rest, name);
        }
    }
    PageHead {
        title: graph.title.or(plain.title),
        description: graph.description.or(plain.description),
        picture: graph.picture.or(plain.picture),
        is_video: graph.is_video,
    }
}

fn meta(attributes: &[(&str, &str)], graph: &mut PageHead, plain: &mut PageHead) {
    let of = |wanted: &str| {
        attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
    };
    let Some(content) = of("content") else { return };
    let Some(name) = of("property").or_else(|| of("name")) else { return };
    let (place, value) = match name.trim().to_ascii_lowercase().as_str() {
        "og:title" => (&mut graph.title, text(content, MAX_TITLE)),
        "twitter:title" => (&mut plain.title, text(content, MAX_TITLE)),
        "og:description" => (&mut graph.description, text(content, MAX_DESCRIPTION)),
        "description" | "twitter:description" => (&mut plain.description, text(content, MAX_DESCRIPTION)),
        "og:image" | "og:image:url" | "og:image:secure_url" => (&mut graph.picture, address(content)),
        "twitter:image" => (&mut plain.picture, address(content)),
        "og:type" => {
            graph.is_video |= content.trim().starts_with("video");
            return;
        }
        _ => return,
    };
    if place.is_none() {
        *place = value;
    }
}

/// What is behind the name of a tag, if it is this one.
fn tag<'p>(text: &'p str, name: &str) -> Option<&'p str> {
    let head = text.get(..name.len())?;
    let rest = text.get(name.len()..)?;
    let ends = rest.starts_with(|sign: char| sign.is_ascii_whitespace() || matches!(sign, '>' | '/'));
    (head.eq_ignore_ascii_case(name) && ends).then_some(rest)
}

/// What is behind the end of a script or a style, which are no HTML.
fn behind_raw<'p>(text: &'p str, name: &str) -> &'p str {
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once("</") {
        if tag(behind, name).is_some() {
            return behind;
        }
        rest = behind;
    }
    ""
}

/// The attributes of a tag, and what is behind the tag.
fn attributes(mut rest: &str) -> (Vec<(&str, &str)>, &str) {
    /// No tag that says something of a page has more.
    const MAX_ATTRIBUTES: usize = 32;
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches(|sign: char| sign.is_ascii_whitespace() || sign == '/');
        if let Some(behind) = rest.strip_prefix('>') {
            return (found, behind);
        }
        if rest.is_empty() {
            return (found, rest);
        }
        let is_end = |sign: char| sign.is_ascii_whitespace() || matches!(sign, '=' | '>' | '/');
        // A stray sign is skipped as a name of its own.
        let end =
            rest.char_indices().skip(1).find(|(_, sign)| is_end(*sign)).map_or(rest.len(), |(at, _)| at);
        let (name, behind) = rest.split_at(end);
        rest = behind.trim_start();
        let mut value = "";
        if let Some(behind) = rest.strip_prefix('=') {
            let behind = behind.trim_start();
            (value, rest) = match behind.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    let quoted = behind.get(1..).unwrap_or_default();
                    quoted.split_once(quote).unwrap_or((quoted, ""))
                }
                _ => {
                    let is_end = |sign: char| sign.is_ascii_whitespace() || sign == '>';
                    behind.split_at(behind.find(is_end).unwrap_or(behind.len()))
                }
            };
        }
        if found.len() < MAX_ATTRIBUTES {
            found.push((name, value));
        }
    }
}

/// Text with its entities replaced, in one line, no longer than this; `None` if it is empty.
fn text(raw: &str, limit: usize) -> Option<String> {
    // Entities make a text shorter: ten signs for one at most.
    let raw = raw.char_indices().nth(limit * 10).map_or(raw, |(at, _)| raw.get(..at).unwrap_or_default());
    let decoded = entities(raw);
    let words = decoded.split(|sign: char| sign.is_whitespace() || sign.is_control());
    let mut line = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if let Some((at, _)) = line.char_indices().nth(limit) {
        line.truncate(at);
    }
    (!line.is_empty()).then_some(line)
}

fn address(raw: &str) -> Option<String> {
    let address = entities(raw.get(..raw.len().min(4 * MAX_URL)).unwrap_or_default()).trim().to_owned();
    (!address.is_empty() && address.len() <= MAX_URL).then_some(address)
}

/// Replaces the entities that pages use: numbers, and the five of XML with the hard space.
fn entities(raw: &str) -> Cow<'_, str> {
    /// The longest is `&#1114111;`.
    const LONGEST: usize = 10;
    if !raw.contains('&') {
        return raw.into();
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, behind)) = rest.split_once('&') {
        text.push_str(before);
        let end = behind.bytes().take(LONGEST).position(|byte| byte == b';');
        let name = end.and_then(|end| behind.get(..end));
        if let Some((sign, name)) = name.and_then(|name| Some((entity(name)?, name))) {
            text.push(sign);
            rest = behind.get(name.len() + 1..).unwrap_or_default();
        } else {
            text.push('&');
            rest = behind;
        }
    }
    text.push_str(rest);
    text.into()
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?).filter(|sign| *sign != '\0')?
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_graph_goes_before_the_title() {
        let page = br#"<!DOCTYPE html><html><head>
            <!-- <meta property="og:title" content="not this"> -->
            <script>var x = '<meta property="og:title" content="nor this">';</script>
            <title lang=en> Plain
            title </title>
            <META content='It&#39;s &lt;good&gt; &amp; &#x1F408; &unknown; AT&T' PROPERTY=og:title />
            <meta name="description" content="plain"><meta property="og:description" content="of the graph">
            <meta property="og:image" content="/a.png?b=1&amp;c=2"><meta property="og:image" content="second">
            <meta property=og:type content=video.other></head>"#;
        let expected = PageHead {
            title: Some("It's <good> & \u{1F408} &unknown; AT&T".into()),
            description: Some("of the graph".into()),
            picture: Some("/a.png?b=1&c=2".into()),
            is_video: true,
        };
        assert_eq!(read(page), expected);
    }

    #[test]
    fn a_page_without_a_graph_has_its_title() {
        let head = read(b"<title>Plain\n title</title><meta name=Description content='about it'>");
        assert_eq!(head.title.as_deref(), Some("Plain title"));
        assert_eq!((head.description.as_deref(), head.picture), (Some("about it"), None));
    }

    #[test]
    fn nothing_is_too_long_and_nothing_too_broken() {
        let long = format!("<title>{}</title>", "ab ".repeat(10_000));
        assert_eq!(read(long.as_bytes()).title.unwrap().chars().count(), MAX_TITLE);
        let far = format!("<meta property=og:image content='/{}'>", "a".repeat(3000));
        assert_eq!(read(far.as_bytes()).picture, None);
        for page in
            ["", "<", "<meta", "<meta content", "<meta content=", "<title", "<script>", "<!--", "\0\u{FFFF}"]
        {
            assert_eq!(read(page.as_bytes()), PageHead::default(), "{page}");
        }
        assert_eq!(read(b"<title>cut").title.as_deref(), Some("cut"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn anything_like_a_page_is_read(page in "(<|>|meta |title|!--|script|content=|property=|og:title|\"|'|=|&|&#x;|;|/| |é){0,60}") {
            let _ = read(page.as_bytes());
        }
    }
}
