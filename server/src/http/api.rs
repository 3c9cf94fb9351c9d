//! The JSON API and what phones call, one file a resource.
//!
//! One table serves and describes: a route that is not described in [`json_api`] does not exist under `/api/v1`.

mod audit;
mod changes;
pub(super) mod covers;
mod customers;
pub(super) mod devices;
mod documents;
mod erasures;
mod fleet;
pub(super) mod handovers;
pub(super) mod input;
pub(super) mod live;
mod ownership;
mod people;
mod policy;
mod proposals;
pub(super) mod quarantine;
mod shapes;
mod teams;
mod tokens;
mod why;

use axum::{Router, http::header, response::IntoResponse, routing::get};
use utoipa::{
    IntoResponses, Modify, OpenApi,
    openapi::{
        RefOr, Response,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use self::shapes::ProblemShape;
use crate::app::App;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Fieldpool",
        description = "Customers of a field sales pool, as the token's person may see and change them. What he may not \
                       see is answered like what does not exist."
    ),
    components(schemas(ProblemShape)),
    modifiers(&Bearer),
    security(("token" = []))
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("From POST /api/v1/tokens"));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
    }
}

/// What every route may answer beside its own.
struct Problems;

impl IntoResponses for Problems {
    fn responses() -> std::collections::BTreeMap<String, RefOr<Response>> {
        [
            ("400", "`invalid_request`: a parameter or the body is malformed"),
            ("401", "`unauthenticated` or `reauthenticate`: sign in"),
            ("403", "`not_permitted` or `account_not_active`"),
            (
                "404",
                "`not_found`: it does not exist, or you may not see it; the answer is the same",
            ),
            ("413", "`too_large`"),
            ("429", "`rate_limited`, with `Retry-After`"),
            ("503", "`overloaded` or `timed_out`, with `Retry-After`"),
        ]
        .into_iter()
        .map(|(status, description)| {
            let content = utoipa::openapi::ContentBuilder::new()
                .schema(Some(utoipa::openapi::Ref::from_schema_name("ProblemShape")))
                .build();
            let response = utoipa::openapi::ResponseBuilder::new()
                .description(description)
                .content("application/problem+json", content)
                .build();
            (status.to_owned(), RefOr::T(response))
        })
        .collect()
    }
}

/// Every route under `/api/v1`, and the description of them all.
fn json_api() -> (Router<App>, utoipa::openapi::OpenApi) {
    let table = OpenApiRouter::<App>::new()
        .routes(routes!(tokens::create, tokens::delete))
        .routes(routes!(customers::list, customers::create))
        .routes(routes!(customers::look_up))
        .routes(routes!(customers::show))
        .routes(routes!(ownership::assign))
        .routes(routes!(ownership::claim))
        .routes(routes!(ownership::release))
        .routes(routes!(handovers::list, handovers::create))
        .routes(routes!(handovers::show, handovers::undo))
        .routes(routes!(covers::list, covers::create))
        .routes(routes!(covers::end))
        .routes(routes!(documents::create_visit))
        .routes(routes!(documents::create_contact))
        .routes(routes!(documents::create_follow_up))
        .routes(routes!(documents::create_opportunity))
        .routes(routes!(documents::create_ticket))
        .routes(routes!(documents::edit_single))
        .routes(routes!(documents::show, documents::edit))
        .routes(routes!(documents::history))
        .routes(routes!(erasures::create))
        .routes(routes!(erasures::held))
        .routes(routes!(erasures::list))
        .routes(routes!(people::list))
        .routes(routes!(people::set_state))
        .routes(routes!(teams::place))
        .routes(routes!(policy::show, policy::change))
        .routes(routes!(why::view))
        .routes(routes!(why::explain))
        .routes(routes!(fleet::list))
        .routes(routes!(fleet::revoke))
        .routes(routes!(quarantine::list))
        .routes(routes!(quarantine::decide))
        .routes(routes!(proposals::decide))
        .routes(routes!(audit::list))
        .routes(routes!(changes::list));
    OpenApiRouter::with_openapi(Description::openapi())
        .nest("/api/v1", table)
        .split_for_parts()
}

/// The description of the API.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    json_api().1
}

pub(super) fn routes() -> Router<App> {
    let (router, description) = json_api();
    // Made once: it is the same for everybody.
    let text = description.to_json().unwrap_or_default();
    router.route(
        "/api/v1/openapi.json",
        get(move || {
            let text = text.clone();
            async move { ([(header::CONTENT_TYPE, "application/json")], text).into_response() }
        }),
    )
}
