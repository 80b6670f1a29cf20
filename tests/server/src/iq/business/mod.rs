//! `w:biz`, `w:biz:catalog`, `fb:thrift_iq`, `w:qr`: businesses. Protocol: IQ catalogue, "Business".

use wa_core::wire::Node;
use wa_types::Jid;

use super::Answer;
use crate::account::DeviceKey;
use crate::people::Business;
use crate::stanza::Read;
use crate::state::State;

fn business<'s>(state: &'s State, jid: Option<&Jid>) -> Option<&'s Business> {
    state.account(state.account_of(jid?)?)?.people.business.as_ref()
}

fn own_business(state: &mut State, from: DeviceKey) -> Option<&mut Business> {
    state.accounts.get_mut(from.account)?.people.business.as_mut()
}

/// `w:biz`.
pub(super) fn profile(state: &mut State, from: DeviceKey, iq: &Node, is_set: bool) -> Answer {
    if let Some(asked) = iq.find("verified_name") {
        let found = business(state, asked.attr_jid("jid").as_ref());
        return match found {
            Some(business) => Answer::one(
                Node::new("verified_name").attr("verified_level", "low").bytes(business.certificate.clone()),
            ),
            None => Answer::DONE,
        };
    }
    let Some(asked) = iq.find("business_profile") else { return Answer::Error(400) };
    if is_set {
        return edit(state, from, asked);
    }
    let profiles = asked.find_all("profile").filter_map(|profile| {
        let jid = profile.attr_jid("jid")?;
        let found = business(state, Some(&jid))?;
        Some(Node::new("profile").attr("jid", jid).children(found.profile.iter().cloned()))
    });
    Answer::one(Node::new("business_profile").children(profiles.collect::<Vec<_>>()))
}

fn edit(state: &mut State, from: DeviceKey, asked: &Node) -> Answer {
    let Some(business) = own_business(state, from) else { return Answer::Error(403) };
    let text = |node: &Node| node.content_text().unwrap_or_default().chars().count();
    if asked.find_all("website").count() > 2 || asked.nodes().iter().any(|node| text(node) > MAX_TEXT) {
        return Answer::Error(406);
    }
    for change in asked.nodes() {
        business.profile.retain(|known| known.tag != change.tag);
    }
    let changes = asked.nodes().iter().filter(|change| {
        let is_removal = change.content_bytes().is_some_and(<[u8]>::is_empty)
            || change.attr_text("op").as_deref() == Some("delete");
        !is_removal
    });
    business.profile.extend(changes.cloned());
    state.tell_contacts(from, "business", &Node::new("profile"));
    Answer::DONE
}

/// `w:biz:catalog`.
pub(super) fn catalog(state: &mut State, from: DeviceKey, iq: &Node) -> Answer {
    let Some(asked) = iq.nodes().first() else { return Answer::Error(400) };
    match asked.tag.as_ref() {
        "product_catalog" => {
            let Some(found) = business(state, asked.attr_jid("jid").as_ref()) else {
                return Answer::Error(404);
            };
            let number = |tag: &str| asked.find(tag).and_then(Read::content_text);
            let limit = number("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10_usize);
            let after = number("after").unwrap_or_default();
            let mut left = found.products.iter().filter(|(id, _)| id.as_str() > after);
            let page: Vec<(&String, &Node)> = left.by_ref().take(limit).collect();
            let next = page.last().filter(|_| left.next().is_some());
            let paging = next.map(|(id, _)| Node::new("paging").child(Node::new("after").text(id.as_str())));
            let products: Vec<Node> = page.iter().map(|(_, product)| (*product).clone()).collect();
            Answer::one(Node::new("product_catalog").children(products).children(paging))
        }
        "collections" => {
            let Some(found) = business(state, asked.attr_jid("biz_jid").as_ref()) else {
                return Answer::Error(404);
            };
            // All products are in one collection.
            let collection = Node::new("collection")
                .child(Node::new("id").text("1"))
                .child(Node::new("name").text("Everything"))
                .children(found.products.values().cloned());
            Answer::one(Node::new("collections").child(collection))
        }
        "product_catalog_add" | "product_catalog_edit" => {
            let is_new = asked.tag == "product_catalog_add";
            let id = state.next_id().to_string();
            let Some(business) = own_business(state, from) else { return Answer::Error(403) };
            let Some(product) = asked.find("product") else { return Answer::Error(400) };
            if product.find("name").and_then(Read::content_text).is_none_or(str::is_empty) {
                return Answer::Error(406);
            }
            let named = product.find("id").and_then(Read::content_text);
            let id = match (is_new, named) {
                (true, _) => id,
                (false, Some(named)) if business.products.contains_key(named) => named.to_owned(),
                (false, _) => return Answer::Error(404),
            };
            let mut kept = Node::new("product").child(Node::new("id").text(id.as_str()));
            kept = kept.children(product.nodes().iter().filter(|part| part.tag != "id").cloned());
            business.products.insert(id, kept.clone());
            Answer::one(Node::new(asked.tag.clone()).child(kept))
        }
        "product_catalog_delete" => {
            let Some(business) = own_business(state, from) else { return Answer::Error(403) };
            for product in asked.find_all("product") {
                if let Some(id) = product.find("id").and_then(Read::content_text) {
                    business.products.remove(id);
                }
            }
            Answer::DONE
        }
        _ => Answer::Error(400),
    }
}

/// `fb:thrift_iq`: every order is of the first product of the business whose name the token has.
pub(super) fn order(state: &State, iq: &Node) -> Answer {
    let Some(order) = iq.find("order") else { return Answer::Error(400) };
    let token = order.find("token").and_then(Read::content_text).unwrap_or_default();
    let of = state.accounts.iter().find(|account| account.people.business.is_some() && account.name == token);
    let Some(business) = of.and_then(|account| account.people.business.as_ref()) else {
        return Answer::Error(401);
    };
    let text = |tag: &'static str, text: &str| Node::new(tag).text(text);
    let Some(product) = business.products.values().next() else { return Answer::Error(404) };
    let price = product.find("price").and_then(Read::content_text).unwrap_or("0");
    let sum = Node::new("price").children([text("total", price), text("currency", "EUR")]);
    let line = Node::new("product").children(product.nodes().iter().cloned()).child(text("quantity", "1"));
    Answer::one(Node::new("order").children([sum, line]))
}

/// `w:qr`: links to contacts; businesses have none here.
pub(super) fn link(state: &mut State, from: DeviceKey, iq: &Node, is_set: bool) -> Answer {
    let Some(qr) = iq.find("qr") else { return Answer::Error(400) };
    if is_set {
        let code = state.new_code();
        let Some(account) = state.accounts.get_mut(from.account) else { return Answer::Error(404) };
        if qr.attr_text("action").as_deref() == Some("revoke") || account.people.contact_code.is_none() {
            account.people.contact_code = Some(code);
        }
        return Answer::one(Node::new("qr").attr_opt("code", account.people.contact_code.as_ref()));
    }
    let code = qr.attr_text("code").map(std::borrow::Cow::into_owned);
    let found = state.accounts.iter().find(|account| code.is_some() && account.people.contact_code == code);
    match found {
        Some(account) => Answer::one(
            Node::new("qr").attr("jid", &account.pn).attr("type", "contact").attr("notify", &account.name),
        ),
        None => Answer::Error(404),
    }
}

const MAX_TEXT: usize = 512;
