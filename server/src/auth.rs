//! Who is asking: passwords and sessions of people, keys and tokens of devices.
//!
//! A person signs in with a password and gets an opaque session token; a phone proves with the key pair made on it
//! that it is the enrolled device and gets an access token of at most ten minutes. Neither opens the other's door.

mod challenge;
mod credentials;
mod device;
mod encoding;
mod first_run;
mod keys;
mod passwords;
mod seen;
mod session;
mod throttle;
mod token;

pub use challenge::{CHALLENGE_MS, proof_message, wiped_message};
pub use credentials::check_credentials;
pub use device::{
    DRAIN_DAYS, DeviceAccess, check_caller, check_device, check_standing, drains_since, drains_until, is_kept_apart,
};
pub use encoding::{parse_bytes, to_base64url};
pub use first_run::{check_setup_token, setup_token};
pub use keys::{Key, Keys, KeysError, Purpose, SECRET_BYTES_MIN};
pub use passwords::{PASSWORD_CHARS_MIN, PasswordCost, Passwords};
pub use seen::LastSeen;
pub use session::{Person, SESSION_MS, SessionToken, find_person};
pub use throttle::{Attempt, FAILURE_WINDOW_MS};
pub use token::{AccessToken, LEEWAY_S, TOKEN_LIFETIME_S, TokenError};

pub(crate) use challenge::{check_challenge, make_challenge};
pub(crate) use session::begin_session;
pub(crate) use token::{issue_token, verify_token};
