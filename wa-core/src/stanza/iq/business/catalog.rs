//! What a business sells: products, one page at a time, and collections of them; and our own changed.

use wa_types::Jid;

use super::profile::text_of;
use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// A product. Prices are thousandths of the currency's unit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Product {
    /// The server's id.
    pub id: String,
    /// The seller's own id.
    pub retailer_id: Option<String>,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// What it costs, in thousandths.
    pub price: Option<u64>,
    /// In which currency.
    pub currency: Option<String>,
    /// More about it.
    pub url: Option<String>,
    /// Whether it is to be had, by the server's word: `in stock`, `out of stock`, …
    pub availability: Option<String>,
    /// The buyers do not see it.
    pub is_hidden: bool,
    /// Where its pictures are.
    pub images: Vec<String>,
}

/// One page of products.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ProductPage {
    /// The products.
    pub products: Vec<Product>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// A collection of products.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collection {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its products.
    pub products: Vec<Product>,
}

/// Of products, pictures and collections no more than this are kept of one answer.
const LIMIT: usize = 1000;

/// Asks for products.
#[derive(Debug, Clone)]
pub struct FetchCatalog {
    /// The business.
    pub business: Jid,
    /// How many at most.
    pub limit: u32,
    /// Where the page begins.
    pub after: Option<String>,
}

impl IqRequest for FetchCatalog {
    const NAMESPACE: &'static str = "w:biz:catalog";
    const KIND: IqKind = IqKind::Get;
    type Reply = ProductPage;

    fn body(&self) -> Vec<Node> {
        let catalog = Node::new("product_catalog")
            .attr("jid", &self.business)
            .attr("allow_shop_source", true)
            .child(Node::new("limit").text(self.limit.to_string()))
            .children(self.after.as_ref().map(|after| Node::new("after").text(after.as_str())))
            .children(picture_size());
        vec![catalog]
    }

    fn read(reply: Reader<'_>) -> Result<ProductPage, StanzaError> {
        let catalog = reply.child("product_catalog")?;
        let paging = catalog.child_opt("paging");
        Ok(ProductPage {
            products: catalog.children_of("product").take(LIMIT).filter_map(read_product).collect(),
            next: paging.and_then(|paging| text_of(paging.child_opt("after")?)),
        })
    }
}

/// Asks for collections.
#[derive(Debug, Clone)]
pub struct FetchCollections {
    /// The business.
    pub business: Jid,
    /// How many collections at most.
    pub limit: u32,
    /// How many products of each at most.
    pub products: u32,
}

impl IqRequest for FetchCollections {
    const NAMESPACE: &'static str = "w:biz:catalog";
    const KIND: IqKind = IqKind::Get;
    type Reply = Vec<Collection>;

    fn body(&self) -> Vec<Node> {
        let collections = Node::new("collections")
            .attr("biz_jid", &self.business)
            .attr("smax_id", "35")
            .child(Node::new("collection_limit").text(self.limit.to_string()))
            .child(Node::new("item_limit").text(self.products.to_string()))
            .children(picture_size());
        vec![collections]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let list = reply.child("collections")?.children_of("collection").take(LIMIT);
        let read = |node: Reader<'_>| {
            Some(Collection {
                id: text_of(node.child_opt("id")?)?,
                name: node.child_opt("name").and_then(text_of).unwrap_or_default(),
                products: node.children_of("product").take(LIMIT).filter_map(read_product).collect(),
            })
        };
        Ok(list.filter_map(read).collect())
    }
}

/// What a product of our own is to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ProductDraft {
    /// Its name.
    pub name: String,
    /// Our own id for it.
    pub retailer_id: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// What it costs, in thousandths.
    pub price: Option<u64>,
    /// In which currency.
    pub currency: Option<String>,
    /// More about it.
    pub url: Option<String>,
    /// Buyers shall not see it.
    pub is_hidden: bool,
    /// Where its pictures are, once uploaded.
    pub images: Vec<String>,
}

impl ProductDraft {
    /// A product of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    fn to_node(&self, id: Option<&str>) -> Node {
        let text = |tag: &'static str, text: &str| Node::new(tag).bytes(text.as_bytes());
        let optional =
            |tag: &'static str, value: &Option<String>| value.as_deref().map(|value| text(tag, value));
        let image = |url: &String| Node::new("image").child(text("url", url));
        let node = Node::new("product")
            .attr("is_hidden", self.is_hidden)
            .children(id.map(|id| text("id", id)))
            .child(text("name", &self.name))
            .children(optional("retailer_id", &self.retailer_id))
            .children(optional("description", &self.description))
            .children(optional("url", &self.url))
            .children(self.price.map(|price| Node::new("price").text(price.to_string())))
            .children(optional("currency", &self.currency));
        if self.images.is_empty() {
            node
        } else {
            node.child(Node::new("media").children(self.images.iter().map(image)))
        }
    }
}

/// Changes our own catalogue.
#[derive(Debug, Clone)]
pub enum ChangeCatalog {
    /// Adds a product.
    Add(ProductDraft),
    /// Replaces the product of this id.
    Edit(String, ProductDraft),
    /// Removes the products of these ids.
    Delete(Vec<String>),
}

impl IqRequest for ChangeCatalog {
    const NAMESPACE: &'static str = "w:biz:catalog";
    const KIND: IqKind = IqKind::Set;
    /// The product as it is now; none after a removal.
    type Reply = Option<Product>;

    fn body(&self) -> Vec<Node> {
        vec![match self {
            Self::Add(draft) => Node::new("product_catalog_add")
                .attr("v", "1")
                .child(draft.to_node(None))
                .children(picture_size()),
            Self::Edit(id, draft) => Node::new("product_catalog_edit")
                .attr("v", "1")
                .child(draft.to_node(Some(id)))
                .children(picture_size()),
            Self::Delete(ids) => Node::new("product_catalog_delete").attr("v", "1").children(
                ids.iter().map(|id| Node::new("product").child(Node::new("id").bytes(id.as_bytes()))),
            ),
        }]
    }

    fn read(reply: Reader<'_>) -> Result<Option<Product>, StanzaError> {
        let changed = reply.children().find_map(|child| child.child_opt("product"));
        Ok(changed.and_then(read_product))
    }
}

/// `None` for a product without an id.
fn read_product(node: Reader<'_>) -> Option<Product> {
    let text = |tag: &str| text_of(node.child_opt(tag)?);
    let images = node.child_opt("media").into_iter().flat_map(|media| media.children_of("image"));
    let address = |image: Reader<'_>| {
        text_of(
            image
                .child_opt("original_image_url")
                .or_else(|| image.child_opt("request_image_url").or_else(|| image.child_opt("url")))?,
        )
    };
    Some(Product {
        id: text("id")?,
        retailer_id: text("retailer_id"),
        name: text("name").unwrap_or_default(),
        description: text("description"),
        price: text("price").and_then(|price| price.parse().ok()),
        currency: text("currency"),
        url: text("url"),
        availability: text("availability"),
        is_hidden: node.attr_is("is_hidden", "true"),
        images: images.filter_map(address).take(LIMIT).collect(),
    })
}

/// How large pictures are wanted.
fn picture_size() -> [Node; 2] {
    [Node::new("width").text("100"), Node::new("height").text("100")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::reader::read_node;

    #[test]
    fn a_product_is_read_as_it_is_written() {
        let draft = ProductDraft {
            price: Some(2500),
            currency: Some("EUR".to_owned()),
            images: vec!["https://x/1".to_owned()],
            ..ProductDraft::new("Bread")
        };
        let product = draft.to_node(Some("77"));
        let paging = Node::new("paging").child(Node::new("after").text("cursor"));
        let nameless = Node::new("product");
        let catalog = Node::new("product_catalog").children([product, nameless, paging]);
        let page = read_node(&Node::new("iq").child(catalog), FetchCatalog::read).unwrap();
        assert_eq!((page.products.len(), page.next.as_deref()), (1, Some("cursor")));
        let read = &page.products[0];
        assert_eq!((read.id.as_str(), read.name.as_str(), read.price), ("77", "Bread", Some(2500)));
        assert_eq!(read.images, ["https://x/1"]);
        assert!(!read.is_hidden);
    }
}
