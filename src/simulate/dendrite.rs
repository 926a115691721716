//! Dendrites that leave the front: chains of rounded rods that grow one after the other, lean over
//! and branch, so that a line along the growth crosses lithium's edge more than once.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A rod with round ends that grows from `from` to `to` between two times (shares of the
/// recording). Reference px.
struct Rod {
    from: (f64, f64),
    to: (f64, f64),
    radius: f64,
    born: f64,
    full: f64,
}

/// All rods of a scene.
#[derive(Default)]
pub struct Dendrite(Vec<Rod>);

impl Dendrite {
    /// A stem at `root` that grows `reach` px to the right, turns across, and hooks back: its head
    /// hangs over bare specimen.
    pub fn hook(root: (f64, f64), reach: f64, across: f64, radius: f64) -> Dendrite {
        let neck = (root.0 + 0.75 * reach, root.1);
        let head = (root.0 + 0.85 * reach, root.1 + across);
        let end = (root.0 + 0.45 * reach, root.1 + 1.25 * across);
        let rod = |from, to, born, full| Rod { from, to, radius, born, full };
        Dendrite(vec![
            rod(root, neck, 0.0, 0.45),
            rod(neck, (root.0 + reach, root.1 - 0.2 * across), 0.45, 0.9),
            rod(neck, head, 0.45, 0.7),
            rod(head, end, 0.7, 0.95),
        ])
    }

    /// Stems over all `rows` that branch to both sides, as moss does.
    pub fn moss(
        start: f64,
        reach: f64,
        rows: (f64, f64),
        radius: f64,
        rng: &mut ChaCha8Rng,
    ) -> Dendrite {
        const STEMS: usize = 7;
        let mut rods = Vec::new();
        for stem in 0..STEMS {
            let share = (stem as f64 + 0.3 + 0.4 * rng.random::<f64>()) / STEMS as f64;
            let root = (start, rows.0 + share * (rows.1 - rows.0));
            let length = reach * (0.4 + 0.6 * rng.random::<f64>());
            let twig = Twig { from: root, angle: 0.0, length, radius, grows: (0.0, 0.6) };
            branch(&mut rods, &twig, 2, rng);
        }
        Dendrite(rods)
    }

    /// How deep inside the dendrites a point lies, px; negative outside.
    pub fn depth(&self, (x, y): (f64, f64), time: f64) -> f64 {
        self.0.iter().map(|rod| rod.depth((x, y), time)).fold(f64::NEG_INFINITY, f64::max)
    }

    /// No part ever lies further right.
    pub fn furthest(&self) -> f64 {
        let ends = self.0.iter().map(|rod| rod.from.0.max(rod.to.0) + rod.radius);
        ends.fold(f64::NEG_INFINITY, f64::max)
    }
}

/// A rod that is to grow: its direction (rad from +x towards +y), and from when until when.
struct Twig {
    from: (f64, f64),
    angle: f64,
    length: f64,
    radius: f64,
    grows: (f64, f64),
}

/// A twig and what grows out of its upper half, `levels` deep.
fn branch(rods: &mut Vec<Rod>, twig: &Twig, levels: usize, rng: &mut ChaCha8Rng) {
    let Twig { from, angle, length, radius, grows: (born, full) } = *twig;
    let to = (from.0 + length * angle.cos(), from.1 + length * angle.sin());
    rods.push(Rod { from, to, radius, born, full });
    if levels == 0 {
        return;
    }
    for side in [-1.0, 1.0] {
        let share = 0.5 + 0.4 * rng.random::<f64>();
        let starts = born + share * (full - born);
        let next = Twig {
            from: (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1)),
            angle: angle + side * (0.7 + 0.6 * rng.random::<f64>()),
            length: length * (0.35 + 0.2 * rng.random::<f64>()),
            radius: (0.8 * radius).max(3.0),
            grows: (starts, starts + 0.25),
        };
        branch(rods, &next, levels - 1, rng);
    }
}

impl Rod {
    fn depth(&self, (x, y): (f64, f64), time: f64) -> f64 {
        let grown = ((time - self.born) / (self.full - self.born)).clamp(0.0, 1.0);
        if grown == 0.0 {
            return f64::NEG_INFINITY;
        }
        let (ux, uy) = (grown * (self.to.0 - self.from.0), grown * (self.to.1 - self.from.1));
        let (vx, vy) = (x - self.from.0, y - self.from.1);
        let along = ((vx * ux + vy * uy) / (ux * ux + uy * uy)).clamp(0.0, 1.0);
        self.radius - (vx - along * ux).hypot(vy - along * uy)
    }
}
