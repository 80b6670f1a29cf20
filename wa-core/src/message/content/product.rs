//! Products and orders of businesses. Only received.

use wa_proto::e2e;
use wa_types::Jid;

use super::media::Image;
use crate::message::read::{self, opaque_debug};

/// A product, or a catalogue.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Product {
    /// The product's id; empty for a catalogue.
    pub id: String,
    /// Its name.
    pub title: String,
    /// What it is.
    pub description: Option<String>,
    /// The price, in thousandths of the currency's unit.
    pub price_1000: Option<i64>,
    /// The price while it is on sale.
    pub sale_price_1000: Option<i64>,
    /// Which currency, by ISO 4217.
    pub currency: Option<String>,
    /// The seller's own id of it.
    pub retailer_id: Option<String>,
    /// Its page.
    pub url: Option<String>,
    /// A picture.
    pub image: Option<Image>,
    /// Who sells it.
    pub seller: Option<Jid>,
    /// The text under it.
    pub body: Option<String>,
    /// What stands under that.
    pub footer: Option<String>,
}

/// An order in a business's shop. What was ordered is asked for with id and token.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Order {
    /// The order's id.
    pub id: String,
    /// What lets its receiver read the order.
    pub token: String,
    /// How many things.
    pub items: u32,
    /// What it is called.
    pub title: Option<String>,
    /// What was said with it.
    pub message: Option<String>,
    /// Who sells.
    pub seller: Option<Jid>,
    /// The sum, in thousandths of the currency's unit.
    pub total_1000: Option<i64>,
    /// Which currency, by ISO 4217.
    pub currency: Option<String>,
    /// A small JPEG.
    pub thumbnail: Option<Vec<u8>>,
}

opaque_debug!(Product, Order);

impl Product {
    pub(super) fn read(message: &e2e::ProductMessage) -> Self {
        let common = Self {
            seller: read::user(message.business_owner_jid.as_deref()),
            body: read::text(message.body.as_ref()),
            footer: read::text(message.footer.as_ref()),
            ..Self::default()
        };
        if let Some(product) = message.product.as_deref() {
            return Self {
                id: product.product_id.clone().unwrap_or_default(),
                title: product.title.clone().unwrap_or_default(),
                description: read::text(product.description.as_ref()),
                price_1000: product.price_amount1000,
                sale_price_1000: product.sale_price_amount1000,
                currency: read::text(product.currency_code.as_ref()),
                retailer_id: read::text(product.retailer_id.as_ref()),
                url: read::text(product.url.as_ref()),
                image: product.product_image.as_deref().map(Image::read),
                ..common
            };
        }
        let Some(catalog) = message.catalog.as_deref() else { return common };
        Self {
            title: catalog.title.clone().unwrap_or_default(),
            description: read::text(catalog.description.as_ref()),
            image: catalog.catalog_image.as_deref().map(Image::read),
            ..common
        }
    }
}

impl Order {
    pub(super) fn read(order: &e2e::OrderMessage) -> Self {
        Self {
            id: order.order_id.clone().unwrap_or_default(),
            token: order.token.clone().unwrap_or_default(),
            items: u32::try_from(order.item_count()).unwrap_or_default(),
            title: read::text(order.order_title.as_ref()),
            message: read::text(order.message.as_ref()),
            seller: read::user(order.seller_jid.as_deref()),
            total_1000: order.total_amount1000,
            currency: read::text(order.total_currency_code.as_ref()),
            thumbnail: order.thumbnail.clone(),
        }
    }
}
