//! The page: files that are part of the program.

use std::sync::Arc;

use axum::Router;
use axum::extract::OriginalUri;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::app::App;

/// The files of the page, by their paths: `include_str!` of each.
macro_rules! files {
    ($($path:literal => $file:literal, $kind:literal;)*) => {
        pub(crate) fn routes() -> Router<Arc<App>> {
            Router::new()
                .route("/", get(index))
                $(.route($path, get(async || file($kind, include_str!(concat!("../page/", $file))))))*
        }
    };
}

files! {
    "/account_action.js" => "account_action.js", "text/javascript; charset=utf-8";
    "/actions.js" => "actions.js", "text/javascript; charset=utf-8";
    "/api.js" => "api.js", "text/javascript; charset=utf-8";
    "/app.js" => "app.js", "text/javascript; charset=utf-8";
    "/batch.js" => "batch.js", "text/javascript; charset=utf-8";
    "/cards.js" => "cards.js", "text/javascript; charset=utf-8";
    "/clipboard.js" => "clipboard.js", "text/javascript; charset=utf-8";
    "/clock.js" => "clock.js", "text/javascript; charset=utf-8";
    "/dialogs/add.js" => "dialogs/add.js", "text/javascript; charset=utf-8";
    "/dialogs/confirm.js" => "dialogs/confirm.js", "text/javascript; charset=utf-8";
    "/dialogs/dialog.js" => "dialogs/dialog.js", "text/javascript; charset=utf-8";
    "/dialogs/field.js" => "dialogs/field.js", "text/javascript; charset=utf-8";
    "/dialogs/link.js" => "dialogs/link.js", "text/javascript; charset=utf-8";
    "/dialogs/link_panel.js" => "dialogs/link_panel.js", "text/javascript; charset=utf-8";
    "/dialogs/reset.js" => "dialogs/reset.js", "text/javascript; charset=utf-8";
    "/dialogs/settings.js" => "dialogs/settings.js", "text/javascript; charset=utf-8";
    "/dom.js" => "dom.js", "text/javascript; charset=utf-8";
    "/format.js" => "format.js", "text/javascript; charset=utf-8";
    "/i18n.js" => "i18n.js", "text/javascript; charset=utf-8";
    "/icon.svg" => "icon.svg", "image/svg+xml";
    "/inputs.js" => "inputs.js", "text/javascript; charset=utf-8";
    "/link_view.js" => "link_view.js", "text/javascript; charset=utf-8";
    "/lock.svg" => "lock.svg", "image/svg+xml";
    "/menu.js" => "menu.js", "text/javascript; charset=utf-8";
    "/notices.js" => "notices.js", "text/javascript; charset=utf-8";
    "/problem.js" => "problem.js", "text/javascript; charset=utf-8";
    "/qr.js" => "qr.js", "text/javascript; charset=utf-8";
    "/sandbox.js" => "sandbox.js", "text/javascript; charset=utf-8";
    "/socket.js" => "socket.js", "text/javascript; charset=utf-8";
    "/status_text.js" => "status_text.js", "text/javascript; charset=utf-8";
    "/store.js" => "store.js", "text/javascript; charset=utf-8";
    "/style/base.css" => "style/base.css", "text/css; charset=utf-8";
    "/style/cards.css" => "style/cards.css", "text/css; charset=utf-8";
    "/style/dialogs.css" => "style/dialogs.css", "text/css; charset=utf-8";
    "/texts/en.js" => "texts/en.js", "text/javascript; charset=utf-8";
    "/texts/id.js" => "texts/id.js", "text/javascript; charset=utf-8";
}

/// The page names its files from where it is: at an address that ends with a slash.
async fn index(OriginalUri(uri): OriginalUri) -> Response {
    if uri.path().ends_with('/') {
        file("text/html; charset=utf-8", include_str!("../page/index.html")).into_response()
    } else {
        Redirect::temporary(&format!("{}/", uri.path())).into_response()
    }
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text)
}
