use std::sync::atomic::AtomicU32;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, WeakUnboundedSender};
use tokio::time::{Instant, advance, timeout};

use super::*;
use crate::driver::shared::CampaignInput;

const TIMEOUT: Duration = Duration::from_secs(8);

impl Served for WeakUnboundedSender<CampaignInput> {
    fn has_ended(&self) -> bool {
        self.strong_count() == 0
    }

    fn tell(&self, hangs: bool) {
        if let Some(told) = self.upgrade() {
            let _ = told.send(match hangs {
                true => CampaignInput::Suspend,
                false => CampaignInput::Resume,
            });
        }
    }
}

/// A loop and one campaign that it serves.
struct Scene {
    heartbeat: Heartbeat,
    /// Whether the loop turns, and so answers each ping.
    turning: Arc<AtomicBool>,
    pings: Arc<AtomicU32>,
    campaign: UnboundedSender<CampaignInput>,
    told: UnboundedReceiver<CampaignInput>,
}

fn scene() -> Scene {
    let turning = Arc::new(AtomicBool::new(true));
    let pings = Arc::new(AtomicU32::new(0));
    let answering: Arc<Mutex<Option<Weak<Pulse>>>> = Arc::default();
    let heartbeat = Heartbeat::idle({
        let (turning, pings, answering) = (turning.clone(), pings.clone(), answering.clone());
        move || {
            pings.fetch_add(1, Ordering::Relaxed);
            let pulse = answering.lock().unwrap().as_ref().and_then(Weak::upgrade);
            if turning.load(Ordering::Relaxed) {
                Heartbeat(pulse.unwrap()).beat(false);
            }
        }
    });
    *answering.lock().unwrap() = Some(Arc::downgrade(&heartbeat.0));
    tokio::spawn(tick(Arc::downgrade(&heartbeat.0), heartbeat.0.wake.clone()));
    let (campaign, told) = mpsc::unbounded_channel();
    heartbeat.watch(TIMEOUT, campaign.downgrade());
    Scene {
        heartbeat,
        turning,
        pings,
        campaign,
        told,
    }
}

impl Scene {
    fn hang(&self) {
        self.turning.store(false, Ordering::Relaxed);
    }

    fn turn(&self, excused: bool) {
        self.turning.store(true, Ordering::Relaxed);
        self.heartbeat.beat(excused);
    }

    async fn told_within(&mut self, time: Duration) -> Option<CampaignInput> {
        timeout(time, self.told.recv()).await.ok().flatten()
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_turns_is_left_alone_and_asked_eight_times_in_a_timeout() {
    let mut scene = scene();
    assert_eq!(scene.told_within(TIMEOUT * 10).await, None);
    let pings = scene.pings.load(Ordering::Relaxed);
    assert!((75..=80).contains(&pings), "{pings}");
}

#[tokio::test(start_paused = true)]
async fn a_campaign_is_suspended_when_its_loop_has_not_turned_for_the_timeout_and_soon_after() {
    let mut scene = scene();
    sleep(TIMEOUT).await;
    scene.hang();
    let hung_at = Instant::now();
    assert_eq!(
        scene.told_within(TIMEOUT * 2).await,
        Some(CampaignInput::Suspend)
    );
    let after = hung_at.elapsed();
    assert!(after >= TIMEOUT, "{after:?}");
    assert!(after <= TIMEOUT * 9 / 8, "{after:?}");
    assert_eq!(scene.told_within(TIMEOUT * 10).await, None, "once");
}

#[tokio::test(start_paused = true)]
async fn a_campaign_is_resumed_as_soon_as_its_loop_turns() {
    let mut scene = scene();
    scene.hang();
    assert_eq!(
        scene.told_within(TIMEOUT * 2).await,
        Some(CampaignInput::Suspend)
    );
    scene.turn(false);
    let tick = TIMEOUT / PINGS;
    assert_eq!(
        scene.told_within(tick / 100).await,
        Some(CampaignInput::Resume)
    );
    assert_eq!(scene.told_within(TIMEOUT * 10).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_turns_once_within_the_timeout_begins_it_anew() {
    let mut scene = scene();
    scene.hang();
    assert_eq!(scene.told_within(TIMEOUT * 7 / 8).await, None);
    scene.heartbeat.beat(false);
    assert_eq!(scene.told_within(TIMEOUT).await, None);
    assert_eq!(
        scene.told_within(TIMEOUT).await,
        Some(CampaignInput::Suspend)
    );
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_frozen_for_many_timeouts_has_no_hung_loop() {
    let mut scene = scene();
    sleep(TIMEOUT).await;
    scene.hang();
    for _ in 0..4 {
        advance(TIMEOUT * 10).await;
        assert_eq!(scene.told_within(Duration::from_millis(1)).await, None);
    }
    scene.turn(false);
    assert_eq!(scene.told_within(TIMEOUT * 2).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_is_being_debugged_may_stand_still_for_ever() {
    let mut scene = scene();
    scene.turn(true);
    scene.hang();
    assert_eq!(scene.told_within(TIMEOUT * 100).await, None);
    scene.turn(false);
    scene.hang();
    assert_eq!(
        scene.told_within(TIMEOUT * 2).await,
        Some(CampaignInput::Suspend)
    );
}

#[tokio::test(start_paused = true)]
async fn each_campaign_of_a_loop_has_its_own_timeout() {
    let mut scene = scene();
    let (patient, mut told) = mpsc::unbounded_channel();
    scene.heartbeat.watch(TIMEOUT * 3, patient.downgrade());
    scene.hang();
    assert_eq!(
        scene.told_within(TIMEOUT * 2).await,
        Some(CampaignInput::Suspend)
    );
    assert!(timeout(TIMEOUT, told.recv()).await.is_err());
    assert_eq!(
        timeout(TIMEOUT * 2, told.recv()).await,
        Ok(Some(CampaignInput::Suspend))
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_campaign_nothing_is_asked_and_none_is_kept_alive() {
    let mut scene = scene();
    let (other, _) = mpsc::unbounded_channel();
    drop(std::mem::replace(&mut scene.campaign, other));
    assert_eq!(scene.told.recv().await, None, "the campaign has ended");
    sleep(TIMEOUT).await;
    let pings = scene.pings.load(Ordering::Relaxed);
    sleep(TIMEOUT * 10).await;
    assert_eq!(scene.pings.load(Ordering::Relaxed), pings);
}

#[tokio::test(start_paused = true)]
async fn it_stops_asking_with_its_last_clone() {
    let scene = scene();
    sleep(TIMEOUT).await;
    let pings = scene.pings.clone();
    drop(scene.heartbeat);
    let asked = pings.load(Ordering::Relaxed);
    sleep(TIMEOUT * 10).await;
    assert_eq!(pings.load(Ordering::Relaxed), asked);
}
