//! What somebody ordered. The id and the token come with the order's message.

use super::profile::text_of;
use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// An order. Prices are thousandths of the currency's unit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Order {
    /// What it costs together.
    pub total: Option<u64>,
    /// In which currency.
    pub currency: Option<String>,
    /// What was ordered.
    pub products: Vec<OrderedProduct>,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderedProduct {
    /// The product's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many.
    pub quantity: u64,
    /// What one costs.
    pub price: Option<u64>,
    /// In which currency.
    pub currency: Option<String>,
}

/// Asks for an order.
#[derive(Clone)]
pub struct FetchOrder {
    /// Its id.
    pub id: String,
    /// What entitles to see it.
    pub token: String,
}

impl std::fmt::Debug for FetchOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchOrder").field("id", &self.id).finish_non_exhaustive()
    }
}

impl IqRequest for FetchOrder {
    const NAMESPACE: &'static str = "fb:thrift_iq";
    const KIND: IqKind = IqKind::Get;
    type Reply = Order;

    fn body(&self) -> Vec<Node> {
        let size = Node::new("image_dimensions")
            .children([Node::new("width").text("100"), Node::new("height").text("100")]);
        let order = Node::new("order")
            .attr("op", "get")
            .attr("id", &self.id)
            .child(size)
            .child(Node::new("token").bytes(self.token.as_bytes()));
        vec![order]
    }

    fn read(reply: Reader<'_>) -> Result<Order, StanzaError> {
        let order = reply.child("order")?;
        let price = order.child_opt("price");
        let of_price = |tag: &str| text_of(price?.child_opt(tag)?);
        Ok(Order {
            total: of_price("total").and_then(|total| total.parse().ok()),
            currency: of_price("currency"),
            products: order.children_of("product").take(LINES_LIMIT).filter_map(read_line).collect(),
        })
    }

    fn to_node(&self, id: &str) -> Node {
        Node::new("iq")
            .attr("id", id)
            .attr("to", self.to())
            .attr("type", Self::KIND.as_str())
            .attr("xmlns", Self::NAMESPACE)
            .attr("smax_id", "5")
            .children(self.body())
    }
}

fn read_line(node: Reader<'_>) -> Option<OrderedProduct> {
    let text = |tag: &str| text_of(node.child_opt(tag)?);
    Some(OrderedProduct {
        id: text("id")?,
        name: text("name").unwrap_or_default(),
        quantity: text("quantity").and_then(|quantity| quantity.parse().ok()).unwrap_or(1),
        price: text("price").and_then(|price| price.parse().ok()),
        currency: text("currency"),
    })
}

/// More lines than this are not kept.
const LINES_LIMIT: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::reader::read_node;

    #[test]
    fn an_order_is_its_lines_and_their_sum() {
        let text = |tag: &'static str, value: &str| Node::new(tag).text(value);
        let price = Node::new("price").children([text("total", "5000"), text("currency", "EUR")]);
        let line = Node::new("product").children([
            text("id", "77"),
            text("name", "Bread"),
            text("quantity", "2"),
            text("price", "2500"),
        ]);
        let order = Node::new("order").children([price, line, Node::new("product")]);
        let read = read_node(&Node::new("iq").child(order), FetchOrder::read).unwrap();
        assert_eq!((read.total, read.currency.as_deref()), (Some(5000), Some("EUR")));
        assert_eq!((read.products.len(), read.products[0].quantity), (1, 2));
        assert!(read_node(&Node::new("iq"), FetchOrder::read).is_err());
    }
}
