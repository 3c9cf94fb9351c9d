//! The server's reading side on both databases: search, lists, JSON API, live pokes.

#[path = "api/customers.rs"]
mod customers;
#[path = "api/fixture.rs"]
mod fixture;
#[path = "api/http.rs"]
mod http;
#[path = "api/live.rs"]
mod live;
#[path = "api/matrix.rs"]
mod matrix;
#[path = "api/search.rs"]
mod search;
#[path = "api/upkeep.rs"]
mod upkeep;
#[path = "api/writing.rs"]
mod writing;
