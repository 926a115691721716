//! A pool of preallocated, reference-counted image buffers: no allocation per frame in the
//! steady state, and a bound on the frames in flight.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Image;

/// A fixed number of image buffers that go round.
#[derive(Clone)]
pub struct Pool {
    free: Receiver<Image>,
    give_back: Sender<Image>,
    /// Buffers that may still be made, and what they are copies of.
    spare: Arc<(AtomicUsize, Image)>,
}

impl Pool {
    /// A pool of `count` copies of `blank`.
    pub fn new(count: usize, blank: &Image) -> Self {
        Self::growing(count, 0, blank)
    }

    /// A pool of `count` copies of `blank` that makes up to `spare` more when none is free, for
    /// whoever holds frames for long. A buffer that was made stays.
    pub fn growing(count: usize, spare: usize, blank: &Image) -> Self {
        let (give_back, free) = bounded(count + spare);
        for _ in 0..count {
            // The channel holds all of them, and both of its ends are alive here.
            let _ = give_back.send(blank.clone());
        }
        Pool { free, give_back, spare: Arc::new((AtomicUsize::new(spare), blank.clone())) }
    }

    /// Takes a buffer, waiting until one is free. Whoever reserves in frame order cannot starve an
    /// earlier frame.
    pub fn reserve(&self) -> Blank {
        let image = match self.free.try_recv() {
            Ok(image) => image,
            Err(_) => match self.make() {
                Some(image) => image,
                None => match self.free.recv() {
                    Ok(image) => image,
                    Err(_) => unreachable!("the pool itself holds a sender of its channel"),
                },
            },
        };
        Blank(Slot { image: Some(image), give_back: self.give_back.clone() })
    }

    /// Takes a buffer if one is free, or may be made, before `deadline`.
    pub fn reserve_until(&self, deadline: Instant) -> Option<Blank> {
        let ready = self.free.try_recv().ok().or_else(|| self.make());
        let image = ready.or_else(|| self.free.recv_deadline(deadline).ok())?;
        Some(Blank(Slot { image: Some(image), give_back: self.give_back.clone() }))
    }

    fn make(&self) -> Option<Image> {
        let (left, blank) = &*self.spare;
        let one = |left: usize| left.checked_sub(1);
        let made = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one).ok();
        made.map(|_| blank.clone())
    }

    /// Buffers that are free now.
    pub fn free(&self) -> usize {
        self.free.len()
    }
}

/// A reserved buffer that nothing has been written to; unused, it returns to its pool.
pub struct Blank(Slot);

impl Blank {
    /// Lets `fill` write the buffer, and shares the result.
    ///
    /// # Errors
    /// The error of `fill`; the buffer goes back to the pool.
    pub fn fill<T, E>(
        mut self,
        fill: impl FnOnce(&mut Image) -> Result<T, E>,
    ) -> Result<(PooledImage, T), E> {
        let Some(image) = &mut self.0.image else {
            unreachable!("a reserved buffer holds its image until it is dropped");
        };
        let told = fill(image)?;
        Ok((PooledImage(Arc::new(self.0)), told))
    }
}

/// A shared image that returns to its pool when the last holder lets go.
#[derive(Clone)]
pub struct PooledImage(Arc<Slot>);

struct Slot {
    image: Option<Image>,
    give_back: Sender<Image>,
}

impl Deref for PooledImage {
    type Target = Image;

    fn deref(&self) -> &Image {
        match &self.0.image {
            Some(image) => image,
            None => unreachable!("the image leaves its slot only when the slot is dropped"),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(image) = self.image.take() {
            let _ = self.give_back.send(image);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_when_the_last_holder_lets_go() {
        let pool = Pool::new(1, &Image::zeros_u16(4, 4));
        let Ok((first, ())) = pool.reserve().fill(|_| Ok::<(), ()>(())) else {
            panic!("filling cannot fail here");
        };
        let second = first.clone();
        drop(first);
        assert_eq!(pool.free(), 0, "a clone still holds the buffer");
        drop(second);
        assert_eq!(pool.free(), 1, "the buffer did not come back");
        assert!(pool.reserve().fill(|_| Err::<(), ()>(())).is_err());
        assert_eq!(pool.free(), 1, "a failed fill lost the buffer");
    }

    #[test]
    fn a_growing_pool_makes_only_what_it_may() {
        let pool = Pool::growing(1, 2, &Image::zeros_u16(2, 2));
        let held: Vec<Blank> = (0..3).map(|_| pool.reserve()).collect();
        assert!(pool.make().is_none(), "a fourth buffer was made");
        drop(held);
        assert_eq!(pool.free(), 3, "a buffer that was made did not come back");
    }
}
