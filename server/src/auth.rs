//! Who is asking: passwords and sessions of people, keys and tokens of devices.
//!
//! A person signs in with a password and gets an opaque session token; a phone proves with the key pair made on it
//! that it is the enrolled device and gets an access token of at most ten minutes. Neither opens the other's door.

mod keys;
mod passwords;

pub use keys::{Key, Keys, KeysError, Purpose, SECRET_BYTES_MIN};
pub use passwords::{PASSWORD_CHARS_MIN, PasswordCost, Passwords};
