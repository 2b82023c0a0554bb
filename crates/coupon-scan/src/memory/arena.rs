//! An arena of equal slabs with a limit on the bytes in use.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The memory that codes lie in: slabs of one size, used again and again, so that the allocator has
/// nothing to scatter; beside them the odd sizes that remain at the end of a file.
pub(crate) struct Arena {
    slab: usize,
    limit: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    free: Vec<Box<[u8]>>,
    /// Bytes in use, slabs or not.
    used: u64,
    most: u64,
}

impl Arena {
    pub(crate) fn new(slab: usize, limit: u64) -> Arena {
        Arena {
            slab,
            limit,
            state: Mutex::default(),
        }
    }

    /// Bytes that can be taken.
    pub(crate) fn available(&self) -> u64 {
        self.limit.saturating_sub(self.state().used)
    }

    /// Most bytes that were in use at once.
    pub(crate) fn most(&self) -> u64 {
        self.state().most
    }

    /// Bytes of a slab.
    pub(crate) fn slab(&self) -> usize {
        self.slab
    }

    /// Memory of this size, from the slabs if it is that of a slab; what stands in it is left from
    /// before.
    pub(crate) fn take(&self, bytes: usize) -> Box<[u8]> {
        if bytes == self.slab {
            let mut state = self.state();
            state.charge(bytes as u64);
            let free = state.free.pop();
            drop(state);
            return free.unwrap_or_else(|| vec![0; bytes].into());
        }
        self.charge(bytes as u64);
        vec![0; bytes].into()
    }

    pub(crate) fn release(&self, memory: Box<[u8]>) {
        let mut state = self.state();
        state.used = state.used.saturating_sub(memory.len() as u64);
        if memory.len() == self.slab {
            state.free.push(memory);
        }
    }

    /// Notes memory that lies elsewhere, bytes. Free slabs do not come on top of it.
    pub(crate) fn charge(&self, bytes: u64) {
        let mut state = self.state();
        state.charge(bytes);
        let excess = (state.used + (state.free.len() * self.slab) as u64).saturating_sub(self.limit);
        let kept = state
            .free
            .len()
            .saturating_sub(excess.div_ceil(self.slab as u64) as usize);
        let given_up = state.free.split_off(kept);
        drop(state);
        drop(given_up);
    }

    /// Ends [`Arena::charge`].
    pub(crate) fn discharge(&self, bytes: u64) {
        let mut state = self.state();
        state.used = state.used.saturating_sub(bytes);
    }

    /// Gives the free slabs back to the system.
    pub(crate) fn shrink(&self) {
        let free = std::mem::take(&mut self.state().free);
        drop(free);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn charge(&mut self, bytes: u64) {
        self.used += bytes;
        self.most = self.most.max(self.used);
    }
}
