//! The page: files that are part of the program.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::app::App;

/// The files of the page, by their paths: `include_str!` of each.
macro_rules! files {
    ($($path:literal => $file:literal, $kind:literal;)*) => {
        pub(crate) fn routes() -> Router<Arc<App>> {
            Router::new()$(.route($path, get(async || file($kind, include_str!(concat!("../page/", $file))))))*
        }
    };
}

files! {
    "/" => "index.html", "text/html; charset=utf-8";
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text)
}
