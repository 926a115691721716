//! The template's own thread: folds frames in, in order, and builds new versions of the reference
//! while the observers go on with the old one.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use super::background;
use super::setup::Setup;
use crate::frame::PooledImage;
use crate::register::{Accumulator, Fold, Reference, Scratch};

/// A frame to fold into the template.
pub struct Growth {
    pub image: PooledImage,
    pub fold: Fold,
}

/// Runs until the tracker hangs up. It gives way where frames come at their own pace: alarms come
/// first there, and a young template is made do with.
pub fn run(
    setup: &Setup,
    mut accumulator: Accumulator,
    orders: &Receiver<Growth>,
    references: &Sender<Arc<Reference>>,
    gives_way: bool,
) {
    background::call_thread(c"template");
    if gives_way {
        background::give_way();
    }
    let mut scratch = Scratch::default();
    for Growth { image, fold } in orders {
        accumulator.take(&image, &fold, setup.camera.offset_counts);
        drop(image);
        let Some(version) = fold.build else { continue };
        let reference = Reference::build(version, &accumulator, &setup.mask, &setup.camera)
            .with_anchor(&fold.masked, &mut scratch);
        // The intake may have finished; the tracker still sends its last frames.
        let _ = references.send(Arc::new(reference));
    }
}
