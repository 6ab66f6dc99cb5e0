//! Where the two threads of a channel within a process find their ends.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Mutex;

use crate::contestant::{Outcome, Place};

pub const SENDER: &str = "sender";
pub const RECEIVER: &str = "receiver";

pub struct Room;

type Ends = HashMap<(String, &'static str), Box<dyn Any + Send>>;

static ENDS: Mutex<Option<Ends>> = Mutex::new(None);

impl Room {
    pub fn put(place: &Place, sender: impl Any + Send, receiver: impl Any + Send) -> Outcome<Box<dyn Any>> {
        let mut ends = ENDS.lock().map_err(|_| "poisoned")?;
        let ends = ends.get_or_insert_default();
        ends.insert((place.name.clone(), SENDER), Box::new(sender));
        ends.insert((place.name.clone(), RECEIVER), Box::new(receiver));
        Ok(Box::new(()))
    }

    /// The end, which is there once.
    pub fn take<T: Any>(place: &Place, which: &'static str) -> Outcome<T> {
        let mut ends = ENDS.lock().map_err(|_| "poisoned")?;
        let end = ends.as_mut().and_then(|ends| ends.remove(&(place.name.clone(), which))).ok_or("no such end")?;
        Ok(*end.downcast().map_err(|_| "an end of another type")?)
    }

    /// One more of the end.
    pub fn copy<T: Any + Clone>(place: &Place, which: &'static str) -> Outcome<T> {
        let ends = ENDS.lock().map_err(|_| "poisoned")?;
        let end = ends.as_ref().and_then(|ends| ends.get(&(place.name.clone(), which))).ok_or("no such end")?;
        Ok(end.downcast_ref::<T>().ok_or("an end of another type")?.clone())
    }
}
