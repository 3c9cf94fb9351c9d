//! The `fieldpool` binary. Everything it does lies in the library, where tests reach it.

use std::process::ExitCode;

/// Requests make and drop many small values, here and in SQLite: the C library's allocator spends a fifth more on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    server::cli::run()
}
