//! Cells that a spreadsheet would take for a formula, made harmless and back.
//!
//! A cell that begins with `=`, `+`, `-`, `@`, a tab, a carriage return or NUL gets an apostrophe in front when it
//! is written, and loses it when it is read. A cell that already begins with apostrophes and then one of those
//! gets one more, so that reading gives back exactly what was written.

const DANGEROUS: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\0'];

/// The cell as it is written to CSV.
#[must_use]
pub fn guard(cell: &str) -> std::borrow::Cow<'_, str> {
    if cell.trim_start_matches('\'').starts_with(DANGEROUS) {
        format!("'{cell}").into()
    } else {
        cell.into()
    }
}

/// The cell as it was before [`guard`], if it was guarded.
#[must_use]
pub fn strip_guard(cell: &str) -> Option<&str> {
    let plain = cell.strip_prefix('\'')?;
    plain.trim_start_matches('\'').starts_with(DANGEROUS).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t092_a_cell_that_could_be_a_formula_comes_back_as_it_was() {
        for cell in [
            "=1+1",
            "+86 10",
            "-5",
            "@x",
            "\tx",
            "'=1",
            "''@x",
            "plain",
            "'s Hertogenbosch",
            "",
        ] {
            let written = guard(cell);
            assert!(!written.starts_with(DANGEROUS), "{written:?}");
            assert_eq!(strip_guard(&written).unwrap_or(&written), cell);
        }
    }
}
