//! The phone as a shared library. All of it is `mobile_ffi::ffi`; this crate only has it linked.

mobile_ffi::uniffi_reexport_scaffolding!();
