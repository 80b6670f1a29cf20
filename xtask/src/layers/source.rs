//! Enough of a Rust file to know what it names: its identifiers and signs, without comments and literals.

/// One file of a crate.
#[derive(Debug)]
pub(super) struct SourceFile {
    /// Its module path from the crate's root; empty for the root itself.
    module: Vec<String>,
    tokens: Vec<String>,
}

impl SourceFile {
    pub(super) fn new(module: Vec<String>, source: &str) -> Self {
        Self { module, tokens: tokens(source) }
    }

    pub(super) fn name(&self) -> String {
        self.module.join("::")
    }

    /// The first name of its module path.
    pub(super) fn layer(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    pub(super) fn identifiers(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().map(String::as_str).filter(|token| is_identifier(token))
    }

    /// The names of the crate's root that the file reaches by `crate::` or by enough `super::`.
    pub(super) fn named_at_root(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let mut blocks: Vec<bool> = Vec::new(); // for each open brace, whether it opens a module
        for (at, token) in self.tokens.iter().enumerate() {
            match token.as_str() {
                "{" => blocks.push(at >= 2 && self.token(at - 2) == "mod"),
                "}" => {
                    blocks.pop();
                }
                "crate" if self.token(at + 1) == "::" => self.first_names(at + 2, &mut names),
                "super" if at == 0 || self.token(at - 1) != "::" => {
                    let depth = self.module.len() + blocks.iter().filter(|is_module| **is_module).count();
                    let mut next = at;
                    while self.token(next) == "super" && self.token(next + 1) == "::" {
                        next += 2;
                    }
                    if (next - at) / 2 >= depth {
                        self.first_names(next, &mut names);
                    }
                }
                _ => {}
            }
        }
        names
    }

    /// The first names of the path, or of every path of the group, that starts at a token.
    fn first_names<'a>(&'a self, start: usize, names: &mut Vec<&'a str>) {
        if self.token(start) != "{" {
            names.push(self.token(start));
            return;
        }
        let mut depth = 0;
        let mut is_first = true;
        for token in self.tokens.iter().skip(start).map(String::as_str) {
            match token {
                "{" => depth += 1,
                "}" => depth -= 1,
                "," if depth == 1 => is_first = true,
                name if depth == 1 && is_first => {
                    names.push(name);
                    is_first = false;
                }
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn token(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", String::as_str)
    }
}

fn is_identifier(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Identifiers, `::` and single signs. Comments, strings, characters and white space are left out.
fn tokens(source: &str) -> Vec<String> {
    let signs: Vec<char> = source.chars().collect();
    let sign = |at: usize| signs.get(at).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < signs.len() {
        let start = at;
        match sign(at) {
            '/' if sign(at + 1) == '/' => at = find(&signs, at, |at| sign(at) == '\n'),
            '/' if sign(at + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (sign(at), sign(at + 1)) {
                        ('/', '*') => (depth, at) = (depth + 1, at + 2),
                        ('*', '/') => (depth, at) = (depth - 1, at + 2),
                        _ => at += 1,
                    }
                    if depth == 0 || at >= signs.len() {
                        break;
                    }
                }
            }
            '"' => at = string_end(&signs, at),
            '\'' if sign(at + 1) == '\\' => at = 1 + find(&signs, at + 3, |at| sign(at) == '\''),
            '\'' if sign(at + 2) == '\'' => at += 3,
            first if first.is_alphabetic() || first == '_' => {
                at = find(&signs, at, |at| !sign(at).is_alphanumeric() && sign(at) != '_');
                let word: String = signs[start..at].iter().collect();
                let hashes = find(&signs, at, |at| sign(at) != '#') - at;
                if ["r", "br", "cr"].contains(&word.as_str()) && sign(at + hashes) == '"' {
                    let is_end = |at: usize| sign(at) == '"' && (1..=hashes).all(|n| sign(at + n) == '#');
                    at = find(&signs, at + hashes + 1, is_end) + 1 + hashes;
                } else {
                    tokens.push(word);
                }
            }
            ':' if sign(at + 1) == ':' => {
                tokens.push("::".to_owned());
                at += 2;
            }
            other => {
                if !other.is_whitespace() {
                    tokens.push(other.to_string());
                }
                at += 1;
            }
        }
    }
    tokens
}

fn find(signs: &[char], start: usize, is_end: impl Fn(usize) -> bool) -> usize {
    (start..signs.len()).find(|&at| is_end(at)).unwrap_or(signs.len())
}

fn string_end(signs: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(sign) = signs.get(at) {
        match sign {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    signs.len()
}
