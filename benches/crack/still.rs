//! Cracks that stand still: widths and doses, courses, textures.

use liwatch::simulate::Fissure;

use crate::Asked;
use crate::scenes::{DEPTH, SIZE, all_courses, gauge, run, scene, told};
use crate::score::{COLUMNS, RULE, Sums, judge};

/// Every width at every dose, over all directions, on a smooth background.
pub fn widths(asked: &Asked) {
    println!("\nwidths and doses: all courses, smooth background, depth and point spread told");
    println!("| width px | counts/px | {COLUMNS}\n|---|---|{RULE}");
    for width in [0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0] {
        for dose in [5.0, 50.0, 1000.0] {
            let head = format!("{width} | {dose}");
            if !asked.row(&head) {
                continue;
            }
            let mut sums = Sums::default();
            for (k, (name, course)) in all_courses().into_iter().enumerate() {
                let fissure = Fissure::still(course, width);
                let scene = scene(fissure, dose, 0.0, 11 + k as u64 + asked.seed, 16);
                let gauge = gauge(SIZE, &told("dark"));
                let rows = run(&gauge, &scene);
                judge(&scene, &rows, 8, &mut sums);
                if asked.along {
                    let mut own = Sums::default();
                    judge(&scene, &rows, 8, &mut own);
                    own.print(&format!("{head} | {name}"));
                    own.print_along();
                }
            }
            sums.print(&head);
        }
    }
}

/// Every course by itself, dark and bright, even and partly filled.
pub fn courses(asked: &Asked) {
    println!("\ncourses at 50 counts/px, smooth background; estimated: a tapered crack, 8 px wide");
    println!("| course | crack | {COLUMNS}\n|---|---|{RULE}");
    for (k, (name, course)) in all_courses().into_iter().enumerate() {
        for width in [0.5, 2.0, 8.0] {
            let head = format!("{name} | {width} px, told");
            if !asked.row(&head) {
                continue;
            }
            let mut sums = Sums::default();
            let scene = scene(
                Fissure::still(course.clone(), width),
                50.0,
                0.0,
                31 + k as u64 + asked.seed,
                20,
            );
            let rows = run(&gauge(SIZE, &told("dark")), &scene);
            judge(&scene, &rows, 12, &mut sums);
            sums.print(&head);
            if asked.along {
                sums.print_along();
            }
        }
        let tapered = Fissure { even: false, ..Fissure::still(course.clone(), 8.0) };
        let variants = [
            ("estimated", "dark", tapered.clone()),
            ("bright, estimated", "bright", Fissure { depth: -DEPTH, ..tapered.clone() }),
            (
                "half filled, estimated",
                "dark",
                Fissure { filled: Some((0.2, 0.5, 0.5)), ..tapered },
            ),
        ];
        for (what, contrast, fissure) in variants {
            let head = format!("{name} | {what}");
            if !asked.row(&head) {
                continue;
            }
            let mut sums = Sums::default();
            let scene = scene(fissure, 50.0, 0.0, 51 + k as u64 + asked.seed, 30);
            let gauge = gauge(SIZE, &format!("contrast = \"{contrast}\""));
            judge(&scene, &run(&gauge, &scene), 10, &mut sums);
            sums.print(&head);
            if asked.along {
                sums.print_along();
            }
        }
    }
}

/// On a textured specimen, where the texture errs and not the electrons.
pub fn texture(asked: &Asked) {
    println!("\ntextured specimen (12 % r.m.s.), all courses; bound: of the noise alone");
    println!("| crack | counts/px | {COLUMNS}\n|---|---|{RULE}");
    for (what, width, even) in
        [("0.5 px, told", 0.5, true), ("2 px, told", 2.0, true), ("8 px, tapered", 8.0, false)]
    {
        for dose in [20.0, 200.0] {
            let head = format!("{what} | {dose}");
            if !asked.row(&head) {
                continue;
            }
            let mut sums = Sums::default();
            for (k, (_, course)) in all_courses().into_iter().enumerate() {
                let fissure = Fissure { even, ..Fissure::still(course, width) };
                let scene = scene(fissure, dose, 0.12, 71 + k as u64 + asked.seed, 16);
                let keys = if even { told("dark") } else { "contrast = \"dark\"".to_owned() };
                judge(&scene, &run(&gauge(SIZE, &keys), &scene), 6, &mut sums);
            }
            sums.print(&head);
            if asked.along {
                sums.print_along();
            }
        }
    }
}
