//! Passwords come from `FIELDPOOL_PASSWORD` or on stdin, never as an argument, where other users of the machine see
//! them.

use std::io::{BufRead, IsTerminal};

use anyhow::Context;

/// Names the variable that may hold the password.
const VARIABLE: &str = "FIELDPOOL_PASSWORD";
/// The longest line read from stdin; passwords are far shorter.
const LINE_BYTES_MAX: u64 = 8 * 1024;

/// The password given to this command; `None` if stdin is empty.
pub(in crate::cli) fn read() -> anyhow::Result<Option<String>> {
    if let Ok(password) = std::env::var(VARIABLE) {
        return Ok(Some(password).filter(|password| !password.is_empty()));
    }
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let password = rpassword::prompt_password("Password: ").context("cannot read the password")?;
        return Ok(Some(password).filter(|password| !password.is_empty()));
    }
    let mut line = String::new();
    std::io::Read::take(stdin.lock(), LINE_BYTES_MAX)
        .read_line(&mut line)
        .context("cannot read the password")?;
    let password = line.trim_end_matches(['\r', '\n']);
    Ok((!password.is_empty()).then(|| password.to_owned()))
}
