//! Places.

use std::time::Duration;

use wa_proto::e2e;

use crate::message::Message;
use crate::message::read::{self, opaque_debug};

/// A place.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Location {
    /// Degrees north of the equator.
    pub latitude: f64,
    /// Degrees east of Greenwich.
    pub longitude: f64,
    /// The place's name.
    pub name: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// Its page.
    pub url: Option<String>,
    /// A small JPEG of the map.
    pub thumbnail: Option<Vec<u8>>,
}

/// Where somebody is, told for a while. The updates are sealed in another way, and do not arrive.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct LiveLocation {
    /// Degrees north of the equator.
    pub latitude: f64,
    /// Degrees east of Greenwich.
    pub longitude: f64,
    /// How exact that is, in metres.
    pub accuracy: Option<u32>,
    /// The speed, in metres per second.
    pub speed: Option<f32>,
    /// The direction, in degrees clockwise from magnetic north.
    pub heading: Option<u32>,
    /// The text under it.
    pub caption: Option<String>,
    /// Which update this is; later ones have higher numbers.
    pub sequence: i64,
    /// How long after the first of them.
    pub offset: Duration,
    /// A small JPEG of the map.
    pub thumbnail: Option<Vec<u8>>,
}

opaque_debug!(Location, LiveLocation);

impl Location {
    /// The place at these degrees north and east.
    #[must_use]
    pub fn new(latitude: f64, longitude: f64) -> Self {
        Self { latitude, longitude, ..Self::default() }
    }

    /// With the place's name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// With its address.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    pub(super) fn read(location: &e2e::LocationMessage) -> Self {
        Self {
            latitude: location.degrees_latitude(),
            longitude: location.degrees_longitude(),
            name: read::text(location.name.as_ref()),
            address: read::text(location.address.as_ref()),
            url: read::text(location.url.as_ref()),
            thumbnail: location.jpeg_thumbnail.clone(),
        }
    }

    pub(super) fn into_proto(self) -> e2e::LocationMessage {
        e2e::LocationMessage {
            degrees_latitude: Some(self.latitude),
            degrees_longitude: Some(self.longitude),
            name: self.name,
            address: self.address,
            url: self.url,
            jpeg_thumbnail: self.thumbnail,
            ..Default::default()
        }
    }
}

impl From<Location> for Message {
    fn from(location: Location) -> Self {
        let location = Some(Box::new(location.into_proto()));
        Self::from_proto(e2e::Message { location_message: location, ..Default::default() })
    }
}

impl LiveLocation {
    /// The start of a live location, at these degrees north and east.
    #[must_use]
    pub fn new(latitude: f64, longitude: f64) -> Self {
        Self { latitude, longitude, ..Self::default() }
    }

    pub(super) fn read(location: &e2e::LiveLocationMessage) -> Self {
        Self {
            latitude: location.degrees_latitude(),
            longitude: location.degrees_longitude(),
            accuracy: location.accuracy_in_meters,
            speed: location.speed_in_mps,
            heading: location.degrees_clockwise_from_magnetic_north,
            caption: read::text(location.caption.as_ref()),
            sequence: location.sequence_number(),
            offset: read::span(location.time_offset).unwrap_or_default(),
            thumbnail: location.jpeg_thumbnail.clone(),
        }
    }
}

impl From<LiveLocation> for Message {
    fn from(location: LiveLocation) -> Self {
        let location = e2e::LiveLocationMessage {
            degrees_latitude: Some(location.latitude),
            degrees_longitude: Some(location.longitude),
            accuracy_in_meters: location.accuracy,
            speed_in_mps: location.speed,
            degrees_clockwise_from_magnetic_north: location.heading,
            caption: location.caption,
            sequence_number: Some(location.sequence),
            time_offset: Some(read::span_to_wire(location.offset)),
            jpeg_thumbnail: location.thumbnail,
            ..Default::default()
        };
        Self::from_proto(e2e::Message {
            live_location_message: Some(Box::new(location)),
            ..Default::default()
        })
    }
}
