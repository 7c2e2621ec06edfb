//! How much memory a piece of work holds at once, thread by thread, for the unit tests' program alone.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // A thread that is ending has no cells any more, and nobody asks for its number.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: everything is the system's allocator's; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller's promises are the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The most bytes that `work` holds at once, beside what is there.
pub fn peak(work: impl FnOnce()) -> usize {
    let before = LIVE.get();
    PEAK.set(before);
    work();
    (PEAK.get() - before).max(0).cast_unsigned()
}

/// The same of work that waits, on a runtime of this one thread.
pub async fn peak_of(work: impl Future<Output = ()>) -> usize {
    let before = LIVE.get();
    PEAK.set(before);
    work.await;
    (PEAK.get() - before).max(0).cast_unsigned()
}

#[test]
fn the_peak_is_counted_and_not_the_sum() {
    let most = peak(|| {
        for _ in 0..10 {
            std::hint::black_box(vec![0u8; 100_000]);
        }
    });
    assert!((100_000..200_000).contains(&most), "{most}");
}
