//! Lists of values inside statements, in few lengths.
//!
//! A statement's text depends on how many values it holds. Were every length its own text, each would be parsed anew
//! and would push another out of the connection's cache of prepared statements. So lists are filled up to a power of
//! two, and rows are inserted in pieces of powers of two.

/// Longest list or piece: 64 rows of 18 values stay far below the bound on values, and a prepared statement small.
pub(super) const PIECE_MAX: usize = 64;
/// Longest list in an `IN (…)`.
pub(super) const LIST_MAX: usize = 512;

/// The values, filled up to the next power of two by repeating the last: `IN` does not mind. Empty stays empty.
pub(super) fn filled<T: Copy>(values: &[T]) -> impl Iterator<Item = T> {
    let length = if values.is_empty() {
        0
    } else {
        values.len().next_power_of_two()
    };
    let last = values.last().copied();
    values
        .iter()
        .copied()
        .map(Some)
        .chain(std::iter::repeat(last))
        .take(length)
        .flatten()
}

/// The rows in pieces of powers of two, the largest first.
pub(super) fn pieces<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let length = PIECE_MAX.min(1 << rest.len().ilog2());
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_filled_up_with_what_they_hold() {
        assert_eq!(filled::<u8>(&[]).count(), 0);
        assert_eq!(filled(&[7]).collect::<Vec<_>>(), [7]);
        assert_eq!(filled(&[1, 2, 3]).collect::<Vec<_>>(), [1, 2, 3, 3]);
        assert_eq!(filled(&[0; 200]).count(), 256);
    }

    #[test]
    fn pieces_are_powers_of_two_and_lose_no_row() {
        let rows: Vec<usize> = (0..203).collect();
        let lengths: Vec<usize> = pieces(&rows).map(<[usize]>::len).collect();
        assert_eq!(lengths, [64, 64, 64, 8, 2, 1]);
        assert_eq!(pieces(&rows).flatten().copied().collect::<Vec<_>>(), rows);
        assert_eq!(pieces::<u8>(&[]).count(), 0);
    }
}
