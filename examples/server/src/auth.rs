//! Who calls, and what they may.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, OriginalUri};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use wa_manager::{Account, AccountKey, AccountName, TenantId};

use crate::app::App;
use crate::keys::{Key, Scope};
use crate::problem::Problem;

/// Whoever sent a request, by a key that is good.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) key: Arc<Key>,
    /// From where.
    pub(crate) from: IpAddr,
}

impl Caller {
    /// The same caller some time later: with its key as it is by then, if that is still good.
    pub(crate) fn again(&self, app: &App) -> Result<Self, Problem> {
        let key = app.keys.get(&self.key.id).filter(|key| key.is_good(app.now(), self.from));
        Ok(Self { key: key.ok_or_else(Problem::unauthorized)?, from: self.from })
    }

    /// Fails unless the key has this scope.
    pub(crate) fn may(&self, scope: Scope) -> Result<(), Problem> {
        if self.key.may(scope) {
            Ok(())
        } else {
            Err(Problem::forbidden(format!("this needs a key with the scope {scope:?}").to_lowercase()))
        }
    }

    /// Fails unless the key looks after its tenant. One that is bound to accounts, to addresses or to a time makes none that
    /// are not.
    pub(crate) fn looks_after(&self) -> Result<(), Problem> {
        self.may(Scope::Admin)?;
        let Key { accounts, addresses, expires_at, .. } = &*self.key;
        if accounts.is_empty() && addresses.is_empty() && expires_at.is_none() {
            Ok(())
        } else {
            Err(Problem::forbidden("a key that is bound looks after nothing"))
        }
    }

    /// Fails unless the key looks after all tenants: that is what those of the tenant `default` do.
    pub(crate) fn looks_after_all(&self) -> Result<(), Problem> {
        self.looks_after()?;
        if self.key.tenant == TenantId::default() {
            Ok(())
        } else {
            Err(Problem::forbidden("this key looks after its own tenant"))
        }
    }

    /// An account that the key reaches; another one is not there.
    pub(crate) fn account(&self, app: &App, name: &str) -> Result<Account, Problem> {
        let name: AccountName = name.parse().map_err(wa_manager::ManagerError::from)?;
        if !self.key.reaches(&name) {
            return Err(Problem::not_found());
        }
        Ok(app.manager.account(&AccountKey::Name(self.key.tenant.clone(), name))?)
    }

    /// The same for one of many, whose answer names it.
    pub(crate) fn key_of(&self, name: &str) -> Result<AccountKey, Problem> {
        let name: AccountName = name.parse().map_err(wa_manager::ManagerError::from)?;
        if !self.key.reaches(&name) {
            return Err(Problem::not_found());
        }
        Ok(AccountKey::Name(self.key.tenant.clone(), name))
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let ConnectInfo(from) = ConnectInfo::<SocketAddr>::from_request_parts(parts, app)
            .await
            .map_err(|_| Problem::unauthorized())?;
        let value = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let text = value.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(Problem::unauthorized)?;
        let key = app.keys.find(text.trim()).filter(|key| key.is_good(app.now(), from.ip()));
        let key = key.ok_or_else(Problem::unauthorized)?;
        // Below a router of its own a request's path has lost its beginning.
        let path = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0).path();
        app.rates.take(&key.id, path, app.clock.boot()).map_err(Problem::too_many)?;
        Ok(Self { key, from: from.ip() })
    }
}
