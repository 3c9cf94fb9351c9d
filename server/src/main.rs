//! The `fieldpool` binary. Everything it does lies in the library, where tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::cli::run()
}
