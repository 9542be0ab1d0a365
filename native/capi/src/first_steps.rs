//! Starting an operation on the thread that asks for it.
//!
//! By the time a thread of the runtime has woken up, the request could be on the wire. So
//! the first steps are taken at once, on the caller's thread. The task is handed to the
//! runtime by its own first wake, which happens on one of the runtime's threads: nobody has
//! to be woken up for it. On a virtual machine each wake costs as much as a small read.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

use tokio::runtime::Handle;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes the first steps of a task; the runtime takes the others.
pub fn first_steps(runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
    let starter =
        Arc::new(Starter { runtime: runtime.clone(), state: Mutex::new(State::Starting) });
    let waker = Waker::from(Arc::clone(&starter));
    let mut task: Task = Box::pin(task);
    let pending = {
        let _inside = runtime.enter();
        task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
    };
    if pending {
        starter.hand_over(task);
    }
}

/// Hands the task to the runtime when it is woken for the first time.
struct Starter {
    runtime: Handle,
    state: Mutex<State>,
}

enum State {
    /// The first steps are under way.
    Starting,
    /// The task was woken during its first steps.
    Woken,
    /// The task waits.
    Waiting(Task),
    /// The runtime has it.
    Over,
}

impl Starter {
    fn hand_over(&self, task: Task) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Starting) {
            *state = State::Waiting(task);
            return;
        }
        *state = State::Over;
        drop(state);
        drop(self.runtime.spawn(task));
    }
}

impl Wake for Starter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Over) {
            State::Waiting(task) => {
                drop(state);
                drop(self.runtime.spawn(task));
            }
            State::Starting | State::Woken => *state = State::Woken,
            State::Over => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;
    use tokio::sync::oneshot;

    #[test]
    fn tasks_end_whenever_they_are_woken() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let ended = Arc::new(AtomicU32::new(0));
        let count = |ended: &Arc<AtomicU32>| {
            let ended = Arc::clone(ended);
            move || {
                ended.fetch_add(1, Ordering::SeqCst);
            }
        };
        // At once, on this thread.
        let end = count(&ended);
        first_steps(runtime.handle(), async move { end() });
        assert_eq!(ended.load(Ordering::SeqCst), 1);
        // By a wake during the first steps.
        let end = count(&ended);
        first_steps(runtime.handle(), async move {
            tokio::task::yield_now().await;
            end();
        });
        // By a timer, and by another thread, several times.
        let (send, receive) = oneshot::channel::<()>();
        let end = count(&ended);
        first_steps(runtime.handle(), async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            receive.await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
            end();
        });
        std::thread::spawn(move || send.send(()).unwrap()).join().unwrap();
        let patience = std::time::Instant::now() + Duration::from_secs(10);
        while ended.load(Ordering::SeqCst) < 3 && std::time::Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(ended.load(Ordering::SeqCst), 3);
    }
}
