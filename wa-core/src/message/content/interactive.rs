//! What businesses send with buttons, and what users choose of it. Only received: the server refuses most of it from
//! companions.

use wa_proto::e2e;
use wa_proto::e2e::buttons_message::Header as ButtonsHeader;
use wa_proto::e2e::buttons_response_message::Response;
use wa_proto::e2e::hydrated_template_button::HydratedButton;
use wa_proto::e2e::interactive_message::InteractiveMessage as Kind;
use wa_proto::e2e::interactive_message::header::Media;
use wa_proto::e2e::template_message::hydrated_four_row_template::Title;
use wa_proto::e2e::template_message::{Format, HydratedFourRowTemplate};

use super::location::Location;
use super::media::{Document, Image, Video};
use super::product::Product;
use crate::message::read::{self, opaque_debug};

/// How many cards deep a card may hold cards: honest ones hold none.
const CARD_DEPTH: usize = 2;

/// A text with buttons: the protocol's buttons, templates and interactive messages.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Interactive {
    /// What stands above the text.
    pub title: Option<String>,
    /// What is shown above the text.
    pub media: Option<HeaderMedia>,
    /// The text.
    pub body: String,
    /// What stands under the text.
    pub footer: Option<String>,
    /// The buttons.
    pub buttons: Vec<Button>,
    /// What else the sender's client needs, as JSON.
    pub params: Option<String>,
    /// Cards to leaf through.
    pub cards: Vec<Self>,
}

/// What is shown above an interactive text.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum HeaderMedia {
    /// A picture.
    Image(Box<Image>),
    /// A film.
    Video(Box<Video>),
    /// A file.
    Document(Box<Document>),
    /// A place.
    Location(Box<Location>),
    /// A product.
    Product(Box<Product>),
    /// A small JPEG and nothing else.
    Thumbnail(Vec<u8>),
}

/// Something to press.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Button {
    /// Answers with this id.
    Reply {
        /// What stands on it.
        text: String,
        /// What the answer carries.
        id: String,
    },
    /// Opens a page.
    Url {
        /// What stands on it.
        text: String,
        /// The page.
        url: String,
    },
    /// Calls a number.
    Call {
        /// What stands on it.
        text: String,
        /// The number.
        number: String,
    },
    /// Something that clients know by its name, as `quick_reply`, `cta_url`, `single_select`, `cta_copy`.
    Flow {
        /// Its name.
        name: String,
        /// What it needs, as JSON.
        params: String,
    },
}

/// A list to choose from.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct List {
    /// What stands above it.
    pub title: String,
    /// The text.
    pub description: Option<String>,
    /// What stands on the button that opens the list.
    pub button: Option<String>,
    /// What stands under it.
    pub footer: Option<String>,
    /// The parts of the list.
    pub sections: Vec<ListSection>,
}

/// A part of a list.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListSection {
    /// What stands above it.
    pub title: Option<String>,
    /// What can be chosen.
    pub rows: Vec<ListRow>,
}

/// A line of a list.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListRow {
    /// What the answer carries.
    pub id: String,
    /// What stands on it.
    pub title: String,
    /// What stands under that.
    pub description: Option<String>,
}

/// What a user chose of buttons or of a list; the [quote](crate::message::Context::quote) says of which.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choice {
    /// The id of the button or line; the name of a flow.
    pub id: String,
    /// What stood on it.
    pub text: Option<String>,
    /// What a flow answers, as JSON.
    pub params: Option<String>,
}

opaque_debug!(Interactive, HeaderMedia, Button, List, ListSection, ListRow, Choice);

fn image(image: &e2e::ImageMessage) -> HeaderMedia {
    HeaderMedia::Image(Box::new(Image::read(image)))
}

fn video(video: &e2e::VideoMessage) -> HeaderMedia {
    HeaderMedia::Video(Box::new(Video::read(video, false)))
}

fn document(document: &e2e::DocumentMessage) -> HeaderMedia {
    HeaderMedia::Document(Box::new(Document::read(document)))
}

fn location(location: &e2e::LocationMessage) -> HeaderMedia {
    HeaderMedia::Location(Box::new(Location::read(location)))
}

impl Interactive {
    pub(super) fn of_buttons(message: &e2e::ButtonsMessage) -> Self {
        let (title, media) = match &message.header {
            Some(ButtonsHeader::Text(text)) => (Some(text.clone()), None),
            Some(ButtonsHeader::ImageMessage(media)) => (None, Some(image(media))),
            Some(ButtonsHeader::VideoMessage(media)) => (None, Some(video(media))),
            Some(ButtonsHeader::DocumentMessage(media)) => (None, Some(document(media))),
            Some(ButtonsHeader::LocationMessage(media)) => (None, Some(location(media))),
            None => (None, None),
        };
        let buttons = message.buttons.iter().map(|button| match &button.native_flow_info {
            Some(flow) => Button::Flow {
                name: flow.name.clone().unwrap_or_default(),
                params: flow.params_json.clone().unwrap_or_default(),
            },
            None => Button::Reply {
                text: button
                    .button_text
                    .as_ref()
                    .and_then(|text| text.display_text.clone())
                    .unwrap_or_default(),
                id: button.button_id.clone().unwrap_or_default(),
            },
        });
        Self {
            title,
            media,
            body: message.content_text.clone().unwrap_or_default(),
            footer: read::text(message.footer_text.as_ref()),
            buttons: buttons.collect(),
            ..Self::default()
        }
    }

    /// `None` for templates that only the server's words can fill.
    pub(super) fn of_template(message: &e2e::TemplateMessage) -> Option<Self> {
        match (&message.format, message.hydrated_template.as_deref()) {
            (Some(Format::InteractiveMessageTemplate(inner)), _) => Some(Self::of_interactive(inner)),
            (_, Some(template)) => Some(Self::of_hydrated(template)),
            (Some(Format::HydratedFourRowTemplate(template)), None) => Some(Self::of_hydrated(template)),
            (Some(Format::FourRowTemplate(_)) | None, None) => None,
        }
    }

    fn of_hydrated(template: &HydratedFourRowTemplate) -> Self {
        let (title, media) = match &template.title {
            Some(Title::HydratedTitleText(text)) => (Some(text.clone()), None),
            Some(Title::ImageMessage(media)) => (None, Some(image(media))),
            Some(Title::VideoMessage(media)) => (None, Some(video(media))),
            Some(Title::DocumentMessage(media)) => (None, Some(document(media))),
            Some(Title::LocationMessage(media)) => (None, Some(location(media))),
            None => (None, None),
        };
        let owned = |text: &Option<String>| text.clone().unwrap_or_default();
        let buttons = template.hydrated_buttons.iter().filter_map(|button| {
            Some(match button.hydrated_button.as_ref()? {
                HydratedButton::QuickReplyButton(one) => {
                    Button::Reply { text: owned(&one.display_text), id: owned(&one.id) }
                }
                HydratedButton::UrlButton(one) => {
                    Button::Url { text: owned(&one.display_text), url: owned(&one.url) }
                }
                HydratedButton::CallButton(one) => {
                    Button::Call { text: owned(&one.display_text), number: owned(&one.phone_number) }
                }
            })
        });
        Self {
            title,
            media,
            body: owned(&template.hydrated_content_text),
            footer: read::text(template.hydrated_footer_text.as_ref()),
            buttons: buttons.collect(),
            ..Self::default()
        }
    }

    pub(super) fn of_interactive(message: &e2e::InteractiveMessage) -> Self {
        Self::of_card(message, 0)
    }

    fn of_card(message: &e2e::InteractiveMessage, depth: usize) -> Self {
        let header = message.header.as_deref();
        let media = header.and_then(|header| header.media.as_ref()).map(|media| match media {
            Media::DocumentMessage(media) => document(media),
            Media::ImageMessage(media) => image(media),
            Media::JpegThumbnail(jpeg) => HeaderMedia::Thumbnail(jpeg.clone()),
            Media::VideoMessage(media) => video(media),
            Media::LocationMessage(media) => location(media),
            Media::ProductMessage(product) => HeaderMedia::Product(Box::new(Product::read(product))),
        });
        let (mut buttons, mut params, mut cards) = (Vec::new(), None, Vec::new());
        match &message.interactive_message {
            Some(Kind::NativeFlowMessage(flow)) => {
                buttons.extend(flow.buttons.iter().map(|button| Button::Flow {
                    name: button.name.clone().unwrap_or_default(),
                    params: button.button_params_json.clone().unwrap_or_default(),
                }));
                params = read::text(flow.message_params_json.as_ref());
            }
            Some(Kind::CarouselMessage(carousel)) if depth < CARD_DEPTH => {
                cards.extend(carousel.cards.iter().map(|card| Self::of_card(card, depth + 1)));
            }
            _ => {}
        }
        Self {
            title: header.and_then(|header| read::text(header.title.as_ref())),
            media,
            body: message.body.as_ref().and_then(|body| body.text.clone()).unwrap_or_default(),
            footer: message.footer.as_ref().and_then(|footer| read::text(footer.text.as_ref())),
            buttons,
            params,
            cards,
        }
    }
}

impl List {
    pub(super) fn read(list: &e2e::ListMessage) -> Self {
        let sections = list.sections.iter().map(|section| {
            let rows = section.rows.iter().map(|row| ListRow {
                id: row.row_id.clone().unwrap_or_default(),
                title: row.title.clone().unwrap_or_default(),
                description: read::text(row.description.as_ref()),
            });
            ListSection { title: read::text(section.title.as_ref()), rows: rows.collect() }
        });
        Self {
            title: list.title.clone().unwrap_or_default(),
            description: read::text(list.description.as_ref()),
            button: read::text(list.button_text.as_ref()),
            footer: read::text(list.footer_text.as_ref()),
            sections: sections.collect(),
        }
    }
}

impl Choice {
    pub(super) fn of_buttons(message: &e2e::ButtonsResponseMessage) -> Self {
        let text = message.response.as_ref().map(|Response::SelectedDisplayText(text)| text.clone());
        Self { id: message.selected_button_id.clone().unwrap_or_default(), text, params: None }
    }

    pub(super) fn of_list(message: &e2e::ListResponseMessage) -> Self {
        let reply = message.single_select_reply.as_ref();
        Self {
            id: reply.and_then(|reply| reply.selected_row_id.clone()).unwrap_or_default(),
            text: read::text(message.title.as_ref()),
            params: None,
        }
    }

    pub(super) fn of_template(message: &e2e::TemplateButtonReplyMessage) -> Self {
        Self {
            id: message.selected_id.clone().unwrap_or_default(),
            text: read::text(message.selected_display_text.as_ref()),
            params: None,
        }
    }

    pub(super) fn of_interactive(message: &e2e::InteractiveResponseMessage) -> Self {
        use wa_proto::e2e::interactive_response_message::InteractiveResponseMessage as Kind;
        let flow =
            message.interactive_response_message.as_ref().map(|Kind::NativeFlowResponseMessage(flow)| flow);
        Self {
            id: flow.and_then(|flow| flow.name.clone()).unwrap_or_default(),
            text: message.body.as_ref().and_then(|body| read::text(body.text.as_ref())),
            params: flow.and_then(|flow| flow.params_json.clone()),
        }
    }
}
