//! Pages for people: made here, readable without a script, and livelier with one.
//!
//! One file a page. A page is plain links and forms; filters stand in its address; a form is answered by sending the
//! browser to a page. The script (htmx and one of our own) fetches the same addresses and puts the new `#main` in the
//! place of the old one, so there is one rendering of everything. What changes meanwhile arrives as a poke, and the
//! page asks again with its reader's own rights.

mod assets;
mod assign;
mod cookies;
mod covers;
mod customer;
mod customers;
mod devices;
mod documents;
mod events;
mod failure;
mod handover;
mod page;
mod people;
mod quarantine;
mod setup;
mod sign_in;
mod text;
mod viewer;
mod words;

pub(super) use cookies::language as chosen_language;
pub(super) use failure::Page;

use axum::{Router, response::Response, routing::get};

use crate::app::App;

/// Every page, with what pages need.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(home))
        .merge(assets::routes())
        .merge(sign_in::routes())
        .merge(customers::routes())
        .merge(assign::routes())
        .merge(customer::routes())
        .merge(documents::routes())
        .merge(devices::routes())
        .merge(handover::routes())
        .merge(covers::routes())
        .merge(people::routes())
        .merge(quarantine::routes())
        .merge(events::routes())
        .merge(setup::routes())
}

async fn home(visitor: viewer::Visitor) -> Response {
    viewer::go_to("/customers", visitor.scripted)
}
