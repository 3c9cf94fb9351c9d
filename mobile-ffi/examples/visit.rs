//! The README's lines of Rust: a phone, a visit to everybody called Alfreds, a sync.

use mobile_ffi::{HttpTransport, Phone, Seam, Store, phone::set};
use sync_core::document::{Kind, Value};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = "http://127.0.0.1:8420";
    let store = Store::open("./phone".as_ref())?; // the folder is the phone
    let mut phone = Phone::new(store, HttpTransport::new(server), Seam::real());
    phone.enroll(server, "nancy", "long enough to remember", "library")?;
    phone.sync()?;
    for customer in phone.customers(Some("alfreds"))? {
        let id = customer["id"].as_str().unwrap_or_default().parse()?;
        phone.add(id, Kind::Visit, &[set("note", Value::Str("Wants a quote".into()))])?;
    }
    phone.sync()?; // or later: what was recorded is durable already
    Ok(())
}
