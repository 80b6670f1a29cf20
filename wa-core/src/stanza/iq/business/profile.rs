//! A business's profile: read, and our own edited.

use wa_types::Jid;

use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// What a business tells of itself. `Debug` shows whose it is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusinessProfile {
    /// The business.
    pub user: Jid,
    /// Changes with the profile.
    pub tag: Option<String>,
    /// Where it is.
    pub address: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// Its e-mail address.
    pub email: Option<String>,
    /// Its web sites.
    pub websites: Vec<String>,
    /// What kinds of business it is: id and name.
    pub categories: Vec<(String, String)>,
    /// When it is open.
    pub hours: Option<BusinessHours>,
    /// Whether it takes carts of products.
    pub has_cart: bool,
}

impl std::fmt::Debug for BusinessProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BusinessProfile").field("user", &self.user).finish_non_exhaustive()
    }
}

/// When a business is open. A day that is not listed is a day off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BusinessHours {
    /// The time zone, such as `Europe/Berlin`.
    pub timezone: Option<String>,
    /// The days, with a line for each span of them.
    pub days: Vec<DayHours>,
}

impl BusinessHours {
    /// Hours of these days.
    #[must_use]
    pub const fn new(timezone: Option<String>, days: Vec<DayHours>) -> Self {
        Self { timezone, days }
    }
}

/// The hours of one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayHours {
    /// The day.
    pub day: Weekday,
    /// When.
    pub open: OpenHours,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
#[expect(clippy::exhaustive_enums, reason = "a week has seven days")]
pub enum Weekday {
    Sunday,
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
}

impl Weekday {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Sunday, "sun"),
        (Self::Monday, "mon"),
        (Self::Tuesday, "tue"),
        (Self::Wednesday, "wed"),
        (Self::Thursday, "thu"),
        (Self::Friday, "fri"),
        (Self::Saturday, "sat"),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(day, _)| *day == self).map_or("sun", |(_, name)| name)
    }
}

/// When a business is open on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenHours {
    /// All day and night.
    AllDay,
    /// From the one to the other, in minutes since midnight.
    Between(u16, u16),
    /// By appointment.
    ByAppointment,
}

/// Asks for the profiles of businesses.
#[derive(Debug, Clone)]
pub struct FetchBusinessProfiles(pub Vec<Jid>);

impl IqRequest for FetchBusinessProfiles {
    const NAMESPACE: &'static str = "w:biz";
    const KIND: IqKind = IqKind::Get;
    /// Those that have one.
    type Reply = Vec<BusinessProfile>;

    fn body(&self) -> Vec<Node> {
        let profiles = self.0.iter().map(|jid| Node::new("profile").attr("jid", jid));
        vec![Node::new("business_profile").attr("v", "244").children(profiles)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let Some(profiles) = reply.child_opt("business_profile") else { return Ok(Vec::new()) };
        Ok(profiles.children_of("profile").filter_map(read_profile).collect())
    }
}

fn read_profile(node: Reader<'_>) -> Option<BusinessProfile> {
    let text = |tag: &str| text_of(node.child_opt(tag)?);
    let categories = node.child_opt("categories");
    let categories = categories.into_iter().flat_map(|list| list.children_of("category"));
    let options = node.child_opt("profile_options");
    Some(BusinessProfile {
        user: node.jid("jid").ok().filter(Jid::is_user)?.to_user(),
        tag: node.text_opt("tag").map(std::borrow::Cow::into_owned),
        address: text("address"),
        description: text("description"),
        email: text("email"),
        websites: node.children_of("website").filter_map(text_of).take(PARTS_LIMIT).collect(),
        categories: categories
            .filter_map(|category| Some((category.text_opt("id")?.into_owned(), text_of(category)?)))
            .take(PARTS_LIMIT)
            .collect(),
        hours: node.child_opt("business_hours").map(read_hours),
        has_cart: options
            .and_then(|options| text_of(options.child_opt("cart_enabled")?))
            .is_some_and(|text| text == "true"),
    })
}

fn read_hours(node: Reader<'_>) -> BusinessHours {
    let day = |config: Reader<'_>| {
        let name = config.text_opt("day_of_week")?;
        let (day, _) = Weekday::ALL.into_iter().find(|(_, known)| *known == name)?;
        let open = match &*config.text_opt("mode")? {
            "open_24h" => OpenHours::AllDay,
            "appointment_only" => OpenHours::ByAppointment,
            "specific_hours" => {
                OpenHours::Between(config.number("open_time").ok()?, config.number("close_time").ok()?)
            }
            _ => return None,
        };
        Some(DayHours { day, open })
    };
    BusinessHours {
        timezone: node.text_opt("timezone").map(std::borrow::Cow::into_owned),
        days: node.children_of("business_hours_config").take(PARTS_LIMIT).filter_map(day).collect(),
    }
}

/// The content of a node as text; `None` when there is none.
pub(super) fn text_of(node: Reader<'_>) -> Option<String> {
    node.node().text().map(std::borrow::Cow::into_owned).filter(|text| !text.is_empty())
}

/// Of websites, categories and hours no more than this are kept.
const PARTS_LIMIT: usize = 64;

/// What is to change in our own business profile. What is `None` stays as it is.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct BusinessEdit {
    /// Where we are; an empty text removes it.
    pub address: Option<String>,
    /// What we do.
    pub description: Option<String>,
    /// Our e-mail address.
    pub email: Option<String>,
    /// Latitude and longitude, in degrees.
    pub place: Option<(f64, f64)>,
    /// Up to two web sites; one empty text removes them.
    pub websites: Option<Vec<String>>,
    /// The ids of what kinds of business we are.
    pub categories: Option<Vec<String>>,
    /// When we are open.
    pub hours: Option<BusinessHours>,
}

impl std::fmt::Debug for BusinessEdit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BusinessEdit").finish_non_exhaustive()
    }
}

impl IqRequest for BusinessEdit {
    const NAMESPACE: &'static str = "w:biz";
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        let text = |tag: &'static str, value: &Option<String>| {
            value.as_ref().map(|value| Node::new(tag).bytes(value.as_bytes()))
        };
        let place = self.place.iter().flat_map(|(latitude, longitude)| {
            [
                Node::new("latitude").text(latitude.to_string()),
                Node::new("longitude").text(longitude.to_string()),
            ]
        });
        let websites = self.websites.iter().flatten().map(|site| Node::new("website").bytes(site.as_bytes()));
        let categories = self.categories.as_ref().map(|ids| {
            Node::new("categories").children(ids.iter().map(|id| Node::new("category").attr("id", id)))
        });
        let node = Node::new("business_profile")
            .attr("v", "3")
            .attr("mutation_type", "delta")
            .children(text("address", &self.address))
            .children(text("description", &self.description))
            .children(text("email", &self.email))
            .children(place)
            .children(websites)
            .children(categories)
            .children(self.hours.as_ref().map(write_hours));
        vec![node]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

fn write_hours(hours: &BusinessHours) -> Node {
    let days = hours.days.iter().map(|DayHours { day, open }| {
        let config = Node::new("business_hours_config").attr("day_of_week", day.as_str());
        match open {
            OpenHours::AllDay => config.attr("mode", "open_24h"),
            OpenHours::ByAppointment => config.attr("mode", "appointment_only"),
            OpenHours::Between(from, to) => {
                config.attr("mode", "specific_hours").attr("open_time", *from).attr("close_time", *to)
            }
        }
    });
    Node::new("business_hours").attr_opt("timezone", hours.timezone.as_ref()).children(days)
}

/// Changes the cover photo of our own business. The picture is uploaded to the media server first.
#[derive(Debug, Clone)]
pub enum SetCoverPhoto {
    /// Takes one that was uploaded.
    Update {
        /// The id that the upload gave it.
        id: String,
        /// The time that the upload gave it.
        timestamp: String,
        /// The proof that the upload gave.
        token: String,
    },
    /// Removes this one.
    Delete {
        /// Its id.
        id: String,
    },
}

impl IqRequest for SetCoverPhoto {
    const NAMESPACE: &'static str = "w:biz";
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        let photo = match self {
            Self::Update { id, timestamp, token } => Node::new("cover_photo")
                .attr("op", "update")
                .attr("id", id)
                .attr("ts", timestamp)
                .attr("token", token),
            Self::Delete { id } => Node::new("cover_photo").attr("op", "delete").attr("id", id),
        };
        vec![Node::new("business_profile").attr("v", "3").attr("mutation_type", "delta").child(photo)]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::reader::read_node;

    #[test]
    fn a_profile_is_read_as_it_is_written() {
        let hours = BusinessHours {
            timezone: Some("Europe/Berlin".to_owned()),
            days: vec![
                DayHours { day: Weekday::Monday, open: OpenHours::Between(540, 1080) },
                DayHours { day: Weekday::Friday, open: OpenHours::AllDay },
                DayHours { day: Weekday::Sunday, open: OpenHours::ByAppointment },
            ],
        };
        let edit = BusinessEdit {
            address: Some("Main Street 1".to_owned()),
            websites: Some(vec!["https://shop.example".to_owned()]),
            hours: Some(hours.clone()),
            categories: Some(vec!["9".to_owned()]),
            place: Some((52.5, 13.4)),
            ..BusinessEdit::default()
        };
        let [written] = edit.body().try_into().unwrap();
        let category = Node::new("category").attr("id", "9").text("Shop");
        let mut profile = Node::new("profile").attr("jid", Jid::pn("15550001111"));
        profile = profile.children(written.nodes().iter().filter(|node| node.tag != "categories").cloned());
        profile = profile.child(Node::new("categories").child(category));
        let reply = Node::new("iq").child(Node::new("business_profile").child(profile));
        let read = read_node(&reply, FetchBusinessProfiles::read).unwrap();
        assert_eq!(read[0].address.as_deref(), Some("Main Street 1"));
        assert_eq!(read[0].websites, ["https://shop.example"]);
        assert_eq!(read[0].hours, Some(hours));
        assert_eq!(read[0].categories, [("9".to_owned(), "Shop".to_owned())]);
        assert_eq!((read[0].email.as_ref(), read[0].has_cart), (None, false));
        assert_eq!(read_node(&Node::new("iq"), FetchBusinessProfiles::read), Ok(Vec::new()));
    }
}
