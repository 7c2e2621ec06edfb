//! What the unit tests' own program counts: how much memory a piece of work holds at once, and what it leaves
//! in memory that it gives back, thread by thread. Here, and not in `tests/`, for an allocator is a whole
//! program's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    /// What is looked for in memory that is given back, and how often it was found.
    static WANTED: Cell<(&'static [u8], usize)> = const { Cell::new((&[], 0)) };
}

fn count(change: isize) {
    // A thread that is ending has no cells any more, and nobody asks for its number.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

fn look(given_back: &[u8]) {
    let _ = WANTED.try_with(|wanted| {
        let (text, times) = wanted.get();
        if !text.is_empty() && given_back.windows(text.len()).any(|part| part == text) {
            wanted.set((text, times + 1));
        }
    });
}

// SAFETY: everything is the system's allocator's; counting and looking neither allocate nor panic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        if WANTED.try_with(|wanted| !wanted.get().0.is_empty()).unwrap_or(false) {
            // SAFETY: the block is the caller's until it is freed below. What was never written in it is read
            // as whatever stands there, which is what is looked for.
            look(unsafe { std::slice::from_raw_parts(pointer, layout.size()) });
        }
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

/// How many pieces of memory `work` gives back with `text` still in them.
pub fn left_behind(text: &'static str, work: impl FnOnce()) -> usize {
    WANTED.set((text.as_bytes(), 0));
    work();
    WANTED.replace((&[], 0)).1
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
