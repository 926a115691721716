//! The middle of many values, some of which may not be numbers.

/// The median of the finite values, the upper of both in the middle where their number is even; nothing where there is
/// none.
pub fn median(values: impl Iterator<Item = f32>) -> Option<f32> {
    let mut values: Vec<f32> = values.filter(|value| value.is_finite()).collect();
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_does_not_count() {
        let values = [3.0, f32::NAN, 1.0, f32::INFINITY, 2.0];
        assert_eq!(median(values.into_iter()), Some(2.0));
        assert_eq!(median([f32::NAN].into_iter()), None);
    }
}
