//! The system's heap, with one block of one size kept at hand.
//!
//! Guarantees: a block is had by one at a time, and a kept one holds nothing but zeroes, since whoever gives
//! it back has wiped it. Knows nothing of what is in it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The buffer that nvim-rs takes and gives back for each message (`rpc::model::decode` of 0.9.2). From musl's
/// heap, which gives such a block back to the system, it is most of a call's time.
const KEPT: Layout = match Layout::from_size_align(80 * 1024, 1) {
    Ok(layout) => layout,
    Err(_) => Layout::new::<u8>(),
};

/// The heap. What is given back to it must be wiped already, as `zeroizing_alloc::ZeroAlloc` does.
#[derive(Debug, Default)]
pub struct Heap(AtomicPtr<u8>);

impl Heap {
    /// With nothing kept yet.
    pub const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The kept block, if it is one like this and at hand.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        let kept = (layout == KEPT).then(|| self.0.swap(ptr::null_mut(), Ordering::Acquire));
        kept.filter(|block| !block.is_null())
    }

    /// Keeps a block, if it is one to be kept and none is.
    fn keep(&self, block: *mut u8, layout: Layout) -> bool {
        layout == KEPT
            && self.0.compare_exchange(ptr::null_mut(), block, Ordering::Release, Ordering::Relaxed).is_ok()
    }
}

// SAFETY: every block comes from the system's heap for its layout, and is given out again only for that
// layout and after it was given back; all else is the system's.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        self.take(layout).unwrap_or_else(|| unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        self.take(layout).unwrap_or_else(|| unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !self.keep(block, layout) {
            // SAFETY: the caller's promise is passed on.
            unsafe { System.dealloc(block, layout) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a block of zeroes, and gives it back when dropped.
    struct Block<'a>(&'a Heap, *mut u8, Layout);

    impl<'a> Block<'a> {
        fn of(heap: &'a Heap, layout: Layout) -> Self {
            // SAFETY: no layout here is empty.
            Self(heap, unsafe { heap.alloc_zeroed(layout) }, layout)
        }
    }

    impl Drop for Block<'_> {
        fn drop(&mut self) {
            // SAFETY: it is this heap's, of this layout, and nobody has it after.
            unsafe { self.0.dealloc(self.1, self.2) }
        }
    }

    #[test]
    fn the_buffer_of_a_message_is_the_same_each_time() {
        let heap = Heap::new();
        let first = Block::of(&heap, KEPT).1;
        assert_eq!(Block::of(&heap, KEPT).1, first);
    }

    #[test]
    fn two_at_once_are_two() {
        let heap = Heap::new();
        drop(Block::of(&heap, KEPT));
        let (one, other) = (Block::of(&heap, KEPT), Block::of(&heap, KEPT));
        assert_ne!(one.1, other.1);
    }

    #[test]
    fn no_other_size_is_kept() {
        let heap = Heap::new();
        for layout in [Layout::new::<[u8; 4096]>(), Layout::new::<[u64; 10 * 1024]>()] {
            drop(Block::of(&heap, layout));
            assert!(heap.0.load(Ordering::Relaxed).is_null());
        }
        drop(Block::of(&heap, Layout::new::<[u8; 80 * 1024]>()));
        assert!(!heap.0.load(Ordering::Relaxed).is_null());
    }
}
