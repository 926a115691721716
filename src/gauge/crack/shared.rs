//! Depth and point spread: what belongs to the crack as a whole, and what is known of it.
//!
//! Both come from the open stations together, each station's own centre and opening being free.
//! From frame to frame they are followed; when a frame contradicts what was known (a new focus, a
//! changed contrast), its own value holds for it and the frame is marked.

use super::Crack;
use super::filling::Filling;
use super::shape::Guess;
use super::station::Station;

/// A change of this many sigma, and this share of the value, is one.
const JUMP_SIGMA: f64 = 4.0;
const JUMP_SHARE: f64 = 0.08;
/// What stations have shown under another focus or contrast, their depths above all, holds to this share of the change.
const CHANGE_SHARE: f32 = 0.15;
/// 1/variance of what the configuration gives.
const GIVEN: f32 = 1e12;

/// Depth and point spread with what is known of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shared {
    /// Share of the brightness that the opening takes away; negative for a bright crack.
    pub depth: f32,
    /// One sigma, px.
    pub psf_px: f32,
    /// 1/variance of both before this frame, and what this frame adds.
    pub depth_information: f32,
    pub psf_information: f32,
    pub new_depth_information: f32,
    pub new_psf_information: f32,
    /// One sigma by which stations' depths differ, over the depth.
    pub fill: f32,
    /// Distance along the crack within which they become independent, by a factor of e, px.
    pub fill_along: f32,
    /// How far this frame's own values are from what was known, in sigma; 0 where they agree.
    pub depth_jump: f32,
    pub psf_jump: f32,
}

impl Shared {
    /// What a search can say.
    pub fn guessed(crack: &Crack, depth: f32) -> Shared {
        let given = crack.config.depth.map(|depth| depth as f32 * crack.sign());
        Shared {
            depth: given.unwrap_or(depth),
            psf_px: crack.config.psf_px.unwrap_or(1.2) as f32,
            depth_information: given.map_or((0.3 * depth).powi(-2), |_| GIVEN),
            psf_information: crack.config.psf_px.map_or(0.4f32.powi(-2), |_| GIVEN),
            fill: 0.08,
            fill_along: 60.0,
            ..Shared::default()
        }
    }

    /// One sigma of the depth, with all that is known.
    pub fn depth_error(&self) -> f32 {
        1.0 / (self.depth_information + self.new_depth_information).sqrt()
    }

    /// One sigma of the point spread, px.
    pub fn psf_error(&self) -> f32 {
        1.0 / (self.psf_information + self.new_psf_information).sqrt()
    }

    /// True when this frame contradicts what was known.
    pub fn has_jumped(&self) -> bool {
        self.depth_jump > 0.0 || self.psf_jump > 0.0
    }

    /// One Newton step from `self`, where the stations were evaluated. `free`: what was known no
    /// longer holds.
    pub fn refined(
        &self,
        crack: &Crack,
        stations: &[Station],
        (guess, fill): (&[Guess], &[Filling]),
        known: &Shared,
        free: bool,
    ) -> Shared {
        let (score, own) = open(stations, guess, fill, self.psf_px);
        let trust = if free { 1e-3 } else { 1.0 };
        let prior = |information: f32| {
            if information < GIVEN { trust * f64::from(information) } else { f64::from(GIVEN) }
        };
        let (prior_d, prior_p) = (prior(known.depth_information), prior(known.psf_information));
        let [dd, dp, pp] = own;
        let from = [f64::from(known.depth - self.depth), f64::from(known.psf_px - self.psf_px)];
        let step = solve(
            [dd + prior_d, dp, pp + prior_p],
            [score[0] + prior_d * from[0], score[1] + prior_p * from[1]],
        );
        let mut out = *self;
        if let Some([d, p]) = step {
            let most = 0.25 * self.depth.abs();
            let depth = self.depth + (d as f32).clamp(-most, most);
            // A dark crack cannot take more than there is.
            let deepest = if crack.sign() > 0.0 { 1.0 } else { 50.0 };
            out.depth = (depth * crack.sign()).clamp(0.02, deepest) * crack.sign();
            out.psf_px = (self.psf_px + (p as f32).clamp(-0.4, 0.4)).clamp(0.4, 8.0);
        }
        // Each with the other free: what the frame says by itself.
        let of_depth = (dd - dp * dp / (pp + prior_p)).max(0.0);
        let of_psf = (pp - dp * dp / (dd + prior_d)).max(0.0);
        out.new_depth_information = of_depth as f32;
        out.new_psf_information = of_psf as f32;
        if free {
            out.depth_jump = known.depth_jump.max(self.depth_jump);
            out.psf_jump = known.psf_jump.max(self.psf_jump);
            (out.depth_information, out.psf_information) = (prior_d as f32, prior_p as f32);
            return out;
        }
        // A given value is not contradicted, and what is hardly known neither.
        let settled = known.depth_information > 50.0 / (known.depth * known.depth);
        let held = |information: f32| f64::from(u8::from(information >= GIVEN)) * f64::from(GIVEN);
        let own = [dd + held(known.depth_information), dp, pp + held(known.psf_information)];
        if settled && let Some([d, p]) = solve(own, score) {
            let jump = |to: f64, from: f64, own: f64, prior: f64| {
                let sigma = (2.0 / own + 1.0 / prior).sqrt();
                let by = (to - from).abs();
                let jumped = by > JUMP_SIGMA * sigma && by > JUMP_SHARE * from.abs();
                if jumped { by / sigma } else { 0.0 }
            };
            let (depth, psf) = (f64::from(self.depth) + d, f64::from(self.psf_px) + p);
            out.depth_jump = jump(depth, f64::from(known.depth), of_depth, prior_d) as f32;
            out.psf_jump = jump(psf, f64::from(known.psf_px), of_psf, prior_p) as f32;
        }
        out
    }

    /// Where this frame contradicts what was `known`, its own values hold for it less well than its pixels say: stations
    /// are expected as they were seen before.
    pub fn allow_for_change(&mut self, known: &Shared) {
        let limited = |information: f32, change: f32| {
            information / (1.0 + information * (CHANGE_SHARE * change).powi(2))
        };
        self.new_depth_information = limited(self.new_depth_information, self.depth - known.depth);
        self.new_psf_information = limited(self.new_psf_information, self.psf_px - known.psf_px);
    }

    /// Texture errs alike in many stations: the frame adds less than its noise says.
    pub fn soften(&mut self, excess: f32) {
        self.new_depth_information /= excess;
        self.new_psf_information /= excess;
    }
}

/// What all open stations say of depth and point spread: score, and information (dd, dp, pp).
fn open(
    stations: &[Station],
    guess: &[Guess],
    fill: &[Filling],
    psf_px: f32,
) -> ([f64; 2], [f64; 3]) {
    let (mut score, mut information) = ([0.0; 2], [0.0; 3]);
    for ((station, _), fill) in stations
        .iter()
        .zip(guess)
        .zip(fill)
        .filter(|((s, guess), _)| s.seen && guess.opening > 0.8 * psf_px)
    {
        let [cc, cw, cd, cp, ww, wd, wp, dd, dp, pp] = station.information;
        // The station's own depth is a share of the crack's.
        let share = f64::from(fill.share);
        let (cd, wd, dp, dd) = (share * cd, share * wd, share * dp, share * share * dd);
        let plane = cc * ww - cw * cw;
        if !(plane > 1e-9 * cc * ww) {
            continue;
        }
        // Without the station's own centre and opening.
        let [sc, sw, sd, sp] = station.score;
        let sd = share * sd;
        let solve = |c: f64, w: f64| [(ww * c - cw * w) / plane, (cc * w - cw * c) / plane];
        let (d, p) = (solve(cd, wd), solve(cp, wp));
        score[0] += sd - d[0] * sc - d[1] * sw;
        score[1] += sp - p[0] * sc - p[1] * sw;
        information[0] += dd - d[0] * cd - d[1] * wd;
        information[1] += dp - d[0] * cp - d[1] * wp;
        information[2] += pp - p[0] * cp - p[1] * wp;
    }
    (score, information)
}

/// Solves a symmetric 2 × 2 system.
fn solve([aa, ab, bb]: [f64; 3], y: [f64; 2]) -> Option<[f64; 2]> {
    let determinant = aa * bb - ab * ab;
    (determinant > 0.0)
        .then(|| [(bb * y[0] - ab * y[1]) / determinant, (aa * y[1] - ab * y[0]) / determinant])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_changed_contrast_tells_of_the_depth_is_known_to_a_share_of_the_change() {
        let known = Shared { depth: 0.7, psf_px: 1.2, ..Shared::default() };
        let sure = Shared { new_depth_information: 1e4, new_psf_information: 1e3, ..known };
        let mut same = sure;
        same.allow_for_change(&known);
        assert_eq!(same, sure);
        let mut other = Shared { depth: 0.9, ..sure };
        other.allow_for_change(&known);
        let error = 0.01f32.hypot(CHANGE_SHARE * 0.2);
        assert!((other.depth_error() - error).abs() < 1e-4, "{}", other.depth_error());
        assert_eq!(other.psf_error(), sure.psf_error());
    }
}
