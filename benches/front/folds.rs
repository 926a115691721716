//! Area, perimeter and tip of fronts that fold over themselves.

use liwatch::simulate::{FrontShape, Scene, SceneConfig};

use super::pulls::{Pulls, median};
use super::run::{FRAMES, Run};
use super::truth::furthest;

const SCENES: [(&str, FrontShape, f64); 4] = [
    ("hook", FrontShape::Overhang, 0.0),
    ("hook, textured", FrontShape::Overhang, 0.12),
    ("moss", FrontShape::Moss, 0.0),
    ("moss, textured", FrontShape::Moss, 0.12),
];

/// One row of the table, over all seeds.
#[derive(Default)]
struct Row {
    by_region: usize,
    frames: usize,
    area: Pulls,
    tip: Pulls,
    relative: Vec<f64>,
    perimeter: Vec<f64>,
}

pub fn table(name: &str, doses: &[f64], seeds: u64) {
    println!(
        "\n{:<18} {:>6} {:>8} | {:>8} {:>9} {:>9} | {:>7} {:>7}",
        "folded front", "counts", "region", "area", "pull", "perimeter", "tip px", "pull"
    );
    for (scene, shape, contrast) in SCENES.iter().filter(|(scene, ..)| scene.starts_with(name)) {
        for dose in doses {
            let mut row = Row::default();
            let look = |c: &mut SceneConfig| {
                (c.front_look.shape, c.contrast) = (*shape, *contrast);
            };
            Run::seeded(look, *dose, seeds).for_each(|run| row.add(run));
            row.print(scene, *dose);
        }
    }
}

impl Row {
    fn add(&mut self, mut run: Run) {
        let first = extent(&run.scene, 0).0;
        self.frames += FRAMES;
        for index in 0..FRAMES {
            let out = run.measure(index, 0.0);
            self.by_region += usize::from(run.field(&out, "by_region").0 == 1.0);
            if index % 8 != 7 || index < FRAMES / 2 {
                continue;
            }
            let (true_area, true_perimeter) = extent(&run.scene, index);
            let found = run.field(&out, "area");
            self.area.add(found.0 - (true_area - first), found.1);
            self.relative.push(100.0 * (found.0 / (true_area - first) - 1.0).abs());
            let perimeter = run.field(&out, "perimeter").0;
            self.perimeter.push(100.0 * (perimeter / true_perimeter - 1.0));
            let found = run.field(&out, "tip");
            self.tip.add(found.0 + run.start - furthest(&run.scene.truth(index).front), found.1);
        }
    }

    fn print(&self, name: &str, dose: f64) {
        println!(
            "{name:<18} {dose:>6} {:>4}/{} | {:>6.2} % {:>9.2} {:>7.1} % | {:>7.2} {:>7.2}",
            self.by_region,
            self.frames,
            median(self.relative.clone()),
            self.area.pull(),
            median(self.perimeter.clone()),
            self.tip.median(),
            self.tip.pull(),
        );
    }
}

/// Lithium's area and the length of its edge in the region, px² and px.
fn extent(scene: &Scene, index: usize) -> (f64, f64) {
    let region = scene.layout.front_region;
    let soft: Vec<f64> = (0..region.width * region.height)
        .map(|k| {
            let (x, y) = (region.x + k % region.width, region.y + k / region.width);
            (scene.lithium_depth(index, (x as f64, y as f64)) / 3.0 + 0.5).clamp(0.0, 1.0)
        })
        .collect();
    let mut length = 0.0;
    for y in 0..region.height - 1 {
        for x in 0..region.width - 1 {
            let k = y * region.width + x;
            let [a, b, c, d] =
                [soft[k], soft[k + 1], soft[k + region.width], soft[k + region.width + 1]];
            length += ((b - a + d - c) / 2.0).hypot((c - a + d - b) / 2.0);
        }
    }
    (soft.iter().sum(), length)
}
