//! The budget of file descriptors: buses never take those that the ledger, the reports and the listeners need.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::files;

/// Not for buses: both listeners with all their connections (66), the program itself with ledger, history and log (24), and accounts,
/// certificates and look-ups of names (38).
const RESERVED: usize = 128;

/// The most open files that the system allows this process; `None` if that is not known.
pub fn limit() -> Option<usize> {
    soft_limit(&files::system_text("/proc/self/limits")?)
}

/// Descriptors for buses within that limit. Where it is so low that nothing can be reserved, a quarter.
pub fn for_buses(limit: usize) -> usize {
    limit.saturating_sub(RESERVED).max(limit / 4)
}

/// The limit that is needed for this many descriptors of buses.
pub fn limit_for(buses: usize) -> usize {
    buses + RESERVED
}

/// The soft limit in `/proc/PID/limits`, whose columns are name, soft limit, hard limit and unit. Source: proc_pid_limits(5).
fn soft_limit(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the buses of this process may open. Clones share it.
#[derive(Clone, Debug)]
pub struct DescriptorBudget {
    free: Arc<Semaphore>,
    limit: usize,
}

/// Descriptors in use, until dropped.
#[derive(Debug)]
pub struct Descriptors(#[expect(dead_code, reason = "dropping it gives them back")] OwnedSemaphorePermit);

/// All descriptors of the budget are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetUsedUp {
    /// The limit of open files.
    pub limit: usize,
}

impl DescriptorBudget {
    /// The budget of this process.
    pub fn of_process() -> Self {
        DescriptorBudget::within(limit().unwrap_or(usize::MAX))
    }

    /// The budget of a process with this limit of open files.
    pub fn within(limit: usize) -> Self {
        let free = Arc::new(Semaphore::new(for_buses(limit).min(Semaphore::MAX_PERMITS)));
        DescriptorBudget { free, limit }
    }

    /// Takes descriptors.
    ///
    /// # Errors
    /// So many are not free now.
    pub fn take(&self, count: u32) -> Result<Descriptors, BudgetUsedUp> {
        let taken = self.free.clone().try_acquire_many_owned(count);
        taken.map(Descriptors).map_err(|_| BudgetUsedUp { limit: self.limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_found_and_an_unlimited_one_is_none() {
        let limits = |soft: &str| {
            let head = "Limit                     Soft Limit           Hard Limit           Units     \n";
            format!(
                "{head}Max processes 7 8 processes\nMax open files            {soft}                 4096       files     \n"
            )
        };
        assert_eq!(soft_limit(&limits("1024")), Some(1024));
        assert_eq!(soft_limit(&limits("unlimited")), None);
        assert_eq!(soft_limit(""), None);
        assert!(limit().is_some());
    }

    #[test]
    fn a_part_of_the_limit_is_reserved() {
        assert_eq!([1024, 200, 64].map(for_buses), [896, 72, 16]);
        assert_eq!(for_buses(limit_for(500)), 500);
        let budget = DescriptorBudget::within(8);
        let first = budget.take(1).unwrap();
        assert_eq!(budget.take(2).unwrap_err(), BudgetUsedUp { limit: 8 });
        let _second = budget.take(1).unwrap();
        assert!(budget.take(1).is_err());
        drop(first);
        budget.take(1).unwrap();
    }
}
