//! iceoryx2: publish-subscribe between processes, here with one publisher and one subscriber and without overflow.
//!
//! Samples are loaned and filled in place, polled for, and dropped once read, as in its own benchmark. To wake a sleeping
//! subscriber its documentation has a second service, of events: it is used where the subscriber sleeps only.

use std::any::Any;

use ::iceoryx2::port::{listener::Listener, notifier::Notifier, publisher::Publisher, subscriber::Subscriber};
use ::iceoryx2::prelude::*;
use ::iceoryx2::service::port_factory::{event, publish_subscribe};

use crate::contestant::{self, Contestant, Outcome, Place, Work, spin};
use crate::payload::{check, fill};

pub struct Iceoryx2;

type Channel<const N: usize> = publish_subscribe::PortFactory<ipc::Service, [u64; N], ()>;

pub struct Tx<const N: usize> {
    publisher: Publisher<ipc::Service, [u64; N], ()>,
    notifier: Option<Notifier<ipc::Service>>,
}

pub struct Rx<const N: usize> {
    subscriber: Subscriber<ipc::Service, [u64; N], ()>,
    listener: Option<Listener<ipc::Service>>,
}

struct Open<const N: usize> {
    _node: Node<ipc::Service>,
    channel: Channel<N>,
    event: Option<event::PortFactory<ipc::Service>>,
}

fn open<const N: usize>(place: &Place) -> Outcome<Open<N>> {
    set_log_level(LogLevel::Fatal);
    let mut config = Config::default();
    let root = place.directory.to_str().ok_or("no UTF-8")?;
    config.global.set_root_path(&Path::new(root.as_bytes())?);
    let node = NodeBuilder::new().config(&config).create::<ipc::Service>()?;
    let channel = node
        .service_builder(&place.name.as_str().try_into()?)
        .publish_subscribe::<[u64; N]>()
        .max_publishers(1)
        .max_subscribers(1)
        .history_size(0)
        .subscriber_max_buffer_size(place.capacity)
        .subscriber_max_borrowed_samples(2)
        .enable_safe_overflow(false)
        .open_or_create()?;
    let event = if place.work.wakes() {
        Some(node.service_builder(&format!("{}-event", place.name).as_str().try_into()?).event().open_or_create()?)
    } else {
        None
    };
    Ok(Open { _node: node, channel, event })
}

impl Contestant for Iceoryx2 {
    type Sender<const N: usize> = Tx<N>;
    type Receiver<const N: usize> = Rx<N>;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        (work == Work::Many).then_some("every subscriber gets everything")
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        Ok(Box::new(open::<N>(place)?))
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Tx<N>> {
        let open = open::<N>(place)?;
        Ok(Tx {
            publisher: open
                .channel
                .publisher_builder()
                .max_loaned_samples(2)
                .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
                .create()?,
            notifier: open.event.map(|event| event.notifier_builder().create()).transpose()?,
        })
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Rx<N>> {
        let open = open::<N>(place)?;
        Ok(Rx {
            subscriber: open.channel.subscriber_builder().create()?,
            listener: open.event.map(|event| event.listener_builder().create()).transpose()?,
        })
    }
}

impl<const N: usize> contestant::Sender for Tx<N> {
    #[inline(always)]
    fn send(&mut self, number: u64) {
        self.send_loaned(number, &mut || ());
    }

    fn send_waking(&mut self, number: u64) {
        self.send(number);
        self.notifier.as_ref().expect("made for waking").notify().expect("notifies");
    }

    #[inline(always)]
    fn send_loaned(&mut self, number: u64, ready: &mut dyn FnMut()) {
        let mut sample = self.publisher.loan_uninit().expect("lends a sample");
        fill(sample.payload_mut(), number);
        ready();
        // SAFETY: `fill` has written all of it.
        let receivers = unsafe { sample.assume_init() }.send().expect("sends");
        assert_eq!(receivers, 1);
    }
}

impl<const N: usize> contestant::Receiver for Rx<N> {
    #[inline(always)]
    fn recv(&mut self) -> u64 {
        check(spin(|| self.subscriber.receive().expect("receives")).payload())
    }

    fn recv_parked(&mut self) -> u64 {
        let listener = self.listener.as_ref().expect("made for waking");
        loop {
            if let Some(sample) = self.subscriber.receive().expect("receives") {
                return check(sample.payload());
            }
            listener.blocking_wait(|_| ()).expect("waits");
        }
    }

    #[inline(always)]
    fn recv_glimpse(&mut self) -> u64 {
        spin(|| self.subscriber.receive().expect("receives")).payload()[0]
    }
}
