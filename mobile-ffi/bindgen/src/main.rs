//! Reads what a shared library says of itself and writes the files through which a language calls it. Asks nobody and
//! nothing but that file.

use std::process::ExitCode;

use uniffi::{GenerateOptions, TargetLanguage, generate};

const USAGE: &str = "usage: phone-bindgen kotlin|swift|python LIBRARY FOLDER";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [language, library, folder] = &arguments[..] else {
        return fail(USAGE);
    };
    let language = match language.as_str() {
        "kotlin" => TargetLanguage::Kotlin,
        "swift" => TargetLanguage::Swift,
        "python" => TargetLanguage::Python,
        _ => return fail(USAGE),
    };
    let options = GenerateOptions {
        languages: vec![language],
        source: library.into(),
        out_dir: folder.into(),
        config_override: None,
        // Formatters of other languages are not ours to look for.
        format: false,
        crate_filter: None,
        metadata_no_deps: true,
    };
    match generate(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{library}: {error:#}")),
    }
}

fn fail(reason: &str) -> ExitCode {
    eprintln!("phone-bindgen: {reason}");
    ExitCode::from(2)
}
