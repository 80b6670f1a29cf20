//! All that is set to go wrong.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use wa_core::wire::Node;

use super::script::{Act, Filter, Script, Verdict, play};
use super::{CertificateFault, Scope};
use crate::account::DeviceKey;
use crate::journal::Direction;
use crate::login::Refusal;

/// All faults that are set.
#[derive(Debug, Default)]
pub(crate) struct FaultBook {
    everyone: Plan,
    accounts: HashMap<usize, Plan>,
    devices: HashMap<DeviceKey, Plan>,
    pub(super) certificate: Option<(CertificateFault, u32)>,
    pub(crate) refuse_resume: bool,
    pub(super) refuse_connections: u32,
}

/// What is set for one scope.
#[derive(Debug, Default)]
pub(super) struct Plan {
    scripts: Vec<Script>,
    pub(super) undecryptable: u32,
    pub(super) without_one_time: u32,
    pub(super) refusals: (Refusal, u32),
    pub(super) login_error: Option<u16>,
    pub(super) dead: bool,
    pub(super) read_pause: Option<Duration>,
    pub(super) clock_shift: Option<i64>,
    pub(super) interleave: bool,
    pub(super) swallow_pings: bool,
    pub(super) swallowed: Option<String>,
    pub(super) refused: Vec<(String, u16)>,
    pub(super) compress: bool,
    pub(super) split: bool,
}

impl Plan {
    pub(super) fn script(&mut self, filter: Filter, act: Act, count: u32) {
        self.scripts.push(Script { filter, act, left: count });
    }

    pub(super) fn unscript(&mut self, filter: &Filter, ended: impl Fn(&Act) -> bool) {
        self.scripts.retain(|script| script.filter != *filter || !ended(&script.act));
    }
}

/// How the writer of a connection writes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Writing {
    pub(crate) compress: bool,
    pub(crate) split: bool,
    pub(crate) dead: bool,
}

impl FaultBook {
    pub(super) fn plan(&mut self, scope: Scope) -> &mut Plan {
        match scope {
            Scope::Everyone => &mut self.everyone,
            Scope::Account(account) => self.accounts.entry(account).or_default(),
            Scope::Device(device) => self.devices.entry(device).or_default(),
        }
    }

    pub(super) fn clear(&mut self, scope: Scope) {
        match scope {
            Scope::Everyone => *self = Self::default(),
            _ => *self.plan(scope) = Plan::default(),
        }
    }

    /// What the scripts make of a stanza of this device; the stanza may be another one afterwards.
    pub(super) fn play(&mut self, device: DeviceKey, direction: Direction, node: &mut Arc<Node>) -> Verdict {
        let mut verdict = Verdict::default();
        for plan in self.plans_mut(device) {
            play(&mut plan.scripts, direction, node, &mut verdict);
        }
        verdict
    }

    pub(crate) fn take_undecryptable(&mut self, device: DeviceKey) -> bool {
        self.plans_mut(device).any(|plan| count_down(&mut plan.undecryptable))
    }

    pub(crate) fn take_without_one_time(&mut self, device: DeviceKey) -> bool {
        self.plans_mut(device).any(|plan| count_down(&mut plan.without_one_time))
    }

    pub(crate) fn take_refusal(&mut self, device: DeviceKey) -> Option<Refusal> {
        self.plans_mut(device).find_map(|plan| count_down(&mut plan.refusals.1).then_some(plan.refusals.0))
    }

    pub(crate) fn take_login_error(&mut self, device: DeviceKey) -> Option<u16> {
        self.plans_mut(device).find_map(|plan| plan.login_error.take())
    }

    pub(crate) fn take_certificate(&mut self) -> Option<CertificateFault> {
        let (fault, count) = self.certificate.as_mut()?;
        count_down(count).then_some(*fault)
    }

    pub(crate) fn take_refused_connection(&mut self) -> bool {
        count_down(&mut self.refuse_connections)
    }

    pub(crate) fn swallows(&self, device: DeviceKey, namespace: &str, is_ping: bool) -> bool {
        self.plans(Some(device)).any(|plan| {
            plan.dead || (plan.swallow_pings && is_ping) || plan.swallowed.as_deref() == Some(namespace)
        })
    }

    pub(crate) fn take_request_refusal(&mut self, device: DeviceKey, namespace: &str) -> Option<u16> {
        self.plans_mut(device).find_map(|plan| {
            let place = plan.refused.iter().position(|(refused, _)| refused == namespace)?;
            Some(plan.refused.remove(place).1)
        })
    }

    pub(crate) fn writing(&self, device: Option<DeviceKey>) -> Writing {
        let any = |of: fn(&Plan) -> bool| self.plans(device).any(of);
        Writing {
            compress: any(|plan| plan.compress),
            split: any(|plan| plan.split),
            dead: any(|plan| plan.dead),
        }
    }

    pub(crate) fn read_pause(&self, device: DeviceKey) -> Option<Duration> {
        self.plans(Some(device)).find_map(|plan| plan.read_pause)
    }

    pub(crate) fn interleaves(&self, device: DeviceKey) -> bool {
        self.plans(Some(device)).any(|plan| plan.interleave)
    }

    pub(super) fn clock_shift(&self, device: DeviceKey) -> Option<i64> {
        self.plans(Some(device)).find_map(|plan| plan.clock_shift)
    }

    /// The plans for a device, its own first; for none, only everyone's.
    fn plans(&self, device: Option<DeviceKey>) -> impl Iterator<Item = &Plan> {
        let own = device.and_then(|device| self.devices.get(&device));
        let account = device.and_then(|device| self.accounts.get(&device.account));
        own.into_iter().chain(account).chain([&self.everyone])
    }

    fn plans_mut(&mut self, device: DeviceKey) -> impl Iterator<Item = &mut Plan> {
        let own = self.devices.get_mut(&device);
        let account = self.accounts.get_mut(&device.account);
        own.into_iter().chain(account).chain([&mut self.everyone])
    }
}

fn count_down(count: &mut u32) -> bool {
    let happens = *count > 0;
    *count = count.saturating_sub(1);
    happens
}
