//! The route table.

use axum::{Router, extract::DefaultBodyLimit, middleware};

use super::{Problem, api, dashboard, health, layers, sync};
use crate::{actions::Code, app::App};

/// Every route of the server, inside the layers that each request passes.
pub fn router(app: App) -> Router {
    let json_bytes_max = app.config.limits.json_bytes_max;
    Router::new()
        .merge(health::routes())
        .merge(sync::routes())
        .merge(api::routes())
        .merge(api::live::routes())
        .merge(api::devices::routes())
        .merge(dashboard::routes())
        .fallback(|| async { Problem::from(Code::UnknownRoute) })
        .method_not_allowed_fallback(|| async { Problem::from(Code::MethodNotAllowed) })
        .layer(DefaultBodyLimit::max(json_bytes_max))
        .layer(middleware::from_fn_with_state(app.clone(), layers::each_request))
        .with_state(app)
}
