//! How far the weights keep from what is masked: the filters of a gradient reach beyond their pixel.

use super::level::Template;

/// Takes the weight from pixels whose gradient would see what is masked: the edge of a banner that
/// does not drift, or a front that moves. Where that leaves hardly anything, it must do.
pub fn keep_away(template: &Template<'_>, sigma_px: f64, weight: &mut [f32]) {
    const LEFT_AT_LEAST: usize = 20;
    let width = template.width;
    let reach = (2.5 * sigma_px + 3.0).ceil() as usize;
    let far = shrink_rows(template.usable, width, reach);
    let far = shrink_columns(&far, width, reach);
    let left = far.iter().filter(|far| **far).count();
    let before = template.usable.iter().filter(|usable| **usable).count();
    if left * LEFT_AT_LEAST > before {
        weight.iter_mut().zip(&far).filter(|(_, far)| !**far).for_each(|(weight, _)| *weight = 0.0);
    }
}

/// Leaves what is further than `reach` from anything that is not usable along its row.
fn shrink_rows(usable: &[bool], width: usize, reach: usize) -> Vec<bool> {
    let mut out = usable.to_vec();
    for (row, out) in usable.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let mut done = 0;
        for bad in (0..width).filter(|x| !row[*x]) {
            let end = (bad + reach + 1).min(width);
            out[bad.saturating_sub(reach).max(done)..end].fill(false);
            done = end;
        }
    }
    out
}

/// The same along its column, row after row, as the pixels lie in memory.
fn shrink_columns(usable: &[bool], width: usize, reach: usize) -> Vec<bool> {
    let mut out = usable.to_vec();
    let downward = 0..usable.len() / width;
    shrink_below(usable, width, reach, downward.clone(), &mut out);
    shrink_below(usable, width, reach, downward.rev(), &mut out);
    out
}

/// Takes out what comes within `reach` rows after something that is not usable.
fn shrink_below(
    usable: &[bool],
    width: usize,
    reach: usize,
    rows: impl Iterator<Item = usize>,
    out: &mut [bool],
) {
    // Rows since the last pixel that is not usable, by column.
    let mut since = vec![u32::MAX; width];
    for row in rows.map(|row| row * width..(row + 1) * width) {
        let pixels = usable[row.clone()].iter().zip(&mut out[row]);
        for (since, (usable, out)) in since.iter_mut().zip(pixels) {
            *since = if *usable { since.saturating_add(1) } else { 0 };
            *out &= *since as usize > reach;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_a_masked_pixel_goes_along_rows_and_along_columns() {
        let (width, height, reach) = (9, 7, 2);
        let mut usable = vec![true; width * height];
        usable[3 * width + 4] = false;
        let rows = shrink_rows(&usable, width, reach);
        let both = shrink_columns(&rows, width, reach);
        for y in 0..height {
            for x in 0..width {
                let near = |at: usize, bad: usize| at.abs_diff(bad) <= reach;
                assert_eq!(rows[y * width + x], !(y == 3 && near(x, 4)), "row {y}, column {x}");
                assert_eq!(both[y * width + x], !(near(y, 3) && near(x, 4)), "{y}, {x}");
            }
        }
    }
}
