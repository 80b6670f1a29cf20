//! Businesses: what they tell and sell; and our own. Protocol: IQ catalogue, "Business".

use wa_types::Jid;

use super::Client;
use crate::error::CallError;
use crate::stanza::iq::business::catalog::{ChangeCatalog, FetchCatalog, FetchCollections};
pub use crate::stanza::iq::business::catalog::{Collection, Product, ProductDraft, ProductPage};
pub use crate::stanza::iq::business::link::LinkTarget;
use crate::stanza::iq::business::link::{ContactCode, ResolveLink};
use crate::stanza::iq::business::order::FetchOrder;
pub use crate::stanza::iq::business::order::{Order, OrderedProduct};
pub use crate::stanza::iq::business::profile::{
    BusinessEdit, BusinessHours, BusinessProfile, DayHours, OpenHours, Weekday,
};
use crate::stanza::iq::business::profile::{FetchBusinessProfiles, SetCoverPhoto};
use crate::stanza::iq::business::verified_name::{FetchVerifiedName, VerifiedName};

/// Businesses; [`Client::business`] gives it.
#[derive(Debug, Clone, Copy)]
pub struct Business<'c> {
    client: &'c Client,
}

impl Client {
    /// Businesses.
    #[must_use]
    pub const fn business(&self) -> Business<'_> {
        Business { client: self }
    }
}

impl Business<'_> {
    /// What a business tells of itself; `None` when it is none.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn profile(&self, user: &Jid) -> Result<Option<BusinessProfile>, CallError> {
        let profiles = self.client.ask(FetchBusinessProfiles(vec![user.to_user()])).await?;
        Ok(profiles.into_iter().next())
    }

    /// The name under which a business was verified; `None` when it was not.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn verified_name(&self, user: &Jid) -> Result<Option<VerifiedName>, CallError> {
        self.client.ask(FetchVerifiedName(user.to_user())).await
    }

    /// Changes our own business profile.
    ///
    /// # Errors
    /// [`CallError`]; refused with 403 when we are no business, with 406 for values that the server does not take.
    pub async fn edit_profile(&self, edit: BusinessEdit) -> Result<(), CallError> {
        self.client.ask(edit).await
    }

    /// Takes a cover photo that was uploaded: with the id, the time and the token that the upload gave.
    ///
    /// # Errors
    /// As [`Self::edit_profile`].
    pub async fn set_cover_photo(&self, id: &str, timestamp: &str, token: &str) -> Result<(), CallError> {
        let [id, timestamp, token] = [id, timestamp, token].map(str::to_owned);
        self.client.ask(SetCoverPhoto::Update { id, timestamp, token }).await
    }

    /// Removes the cover photo of this id.
    ///
    /// # Errors
    /// As [`Self::edit_profile`].
    pub async fn remove_cover_photo(&self, id: &str) -> Result<(), CallError> {
        self.client.ask(SetCoverPhoto::Delete { id: id.to_owned() }).await
    }

    /// Products of a business, one page at a time: begin without `after`, and go on with [`ProductPage::next`].
    ///
    /// # Errors
    /// [`CallError`]; refused with 404 when there is no catalogue.
    pub async fn products(
        &self,
        business: &Jid,
        limit: u32,
        after: Option<&str>,
    ) -> Result<ProductPage, CallError> {
        let after = after.map(str::to_owned);
        self.client.ask(FetchCatalog { business: business.to_user(), limit, after }).await
    }

    /// Collections of a business, each with its first products.
    ///
    /// # Errors
    /// As [`Self::products`].
    pub async fn collections(
        &self,
        business: &Jid,
        limit: u32,
        products: u32,
    ) -> Result<Vec<Collection>, CallError> {
        self.client.ask(FetchCollections { business: business.to_user(), limit, products }).await
    }

    /// Adds a product to our own catalogue. Returns it as the server has it.
    ///
    /// # Errors
    /// As [`Self::edit_profile`].
    pub async fn add_product(&self, draft: ProductDraft) -> Result<Option<Product>, CallError> {
        self.client.ask(ChangeCatalog::Add(draft)).await
    }

    /// Replaces a product of our own. Returns it as the server has it.
    ///
    /// # Errors
    /// As [`Self::edit_profile`]; 404 when there is none of this id.
    pub async fn edit_product(&self, id: &str, draft: ProductDraft) -> Result<Option<Product>, CallError> {
        self.client.ask(ChangeCatalog::Edit(id.to_owned(), draft)).await
    }

    /// Removes products of our own.
    ///
    /// # Errors
    /// As [`Self::edit_profile`].
    pub async fn delete_products(&self, ids: &[&str]) -> Result<(), CallError> {
        let ids = ids.iter().map(|&id| id.to_owned()).collect();
        self.client.ask(ChangeCatalog::Delete(ids)).await.map(drop)
    }

    /// An order: its id and token come with the message.
    ///
    /// # Errors
    /// [`CallError`]; refused with 401 when the token does not fit, with 404 when there is no such order.
    pub async fn order(&self, id: &str, token: &str) -> Result<Order, CallError> {
        self.client.ask(FetchOrder { id: id.to_owned(), token: token.to_owned() }).await
    }

    /// Where a short link leads: `wa.me/message/CODE` of a business, or `wa.me/qr/CODE` of a contact. The whole link or its
    /// last part.
    ///
    /// # Errors
    /// [`CallError`]; refused with 404 when it leads nowhere.
    pub async fn resolve_link(&self, link: &str) -> Result<LinkTarget, CallError> {
        let code = link.rsplit('/').next().unwrap_or_default().to_owned();
        self.client.ask(ResolveLink(code)).await
    }

    /// The code of our own contact link: `https://wa.me/qr/CODE`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn contact_code(&self) -> Result<String, CallError> {
        self.client.ask(ContactCode { is_revoked: false }).await
    }

    /// Makes another contact link; the old one leads nowhere from then on.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn revoke_contact_code(&self) -> Result<String, CallError> {
        self.client.ask(ContactCode { is_revoked: true }).await
    }
}
