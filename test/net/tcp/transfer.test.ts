/**
 * Transfers over a wire that loses, doubles, reorders, delays and damages: what is
 * sent arrives once and in order, both sides end, nothing is left behind.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Callout } from "../../../src/kern/callout.ts";
import { connected, MS, randomFrom, SEC, type Weather, World } from "./sim.ts";

/** So that programs look though nothing happens. */
class Ticker extends Callout {
  readonly #world: World;

  constructor(world: World) {
    super();
    this.#world = world;
    this.fire();
  }

  fire(): void {
    this.#world.callouts.arm(this, this.#world.nowNs + 5 * MS);
  }

  stop(): void {
    this.#world.callouts.disarm(this);
  }
}

function someBytes(n: number, seed: number): Uint8Array {
  const random = randomFrom(seed);
  const out = new Uint8Array(n);
  for (let i = 0; i < n; i++) out[i] = random() * 256;
  return out;
}

function transfer(
  seed: number,
  weather: Weather,
  sizes: readonly [number, number],
  options = "",
): World {
  // The handshake in fair weather: who loses it too often gives up, rightly.
  const world = new World(seed, { delayNs: weather.delayNs });
  const { a, b, client, server } = connected(
    world,
    (s) => {
      if (options.includes("nosack")) s.host.tunables.sack.set(0);
      if (options.includes("nots")) s.host.tunables.timestamps.set(0);
      if (options.includes("nows")) s.host.tunables.windowScaling.set(0);
      if (options.includes("reno")) s.tp.setCongestion("reno");
    },
    (l) => {
      if (options.includes("small")) l.buffers.rcvbuf = 8192;
    },
  );
  world.weather = weather;
  client.toSend = someBytes(sizes[0], seed);
  server.toSend = someBytes(sizes[1], seed + 1);
  client.finishWhenSent();
  server.finishWhenSent();
  let last = 0;
  const ticker = options.includes("slow") ? new Ticker(world) : null;
  const isDone = world.run(3600 * SEC, () => {
    // Programs look every now and then, not at every event.
    if (world.nowNs - last > 100_000 || world.callouts.nextDeadlineNs - world.nowNs > MS) {
      last = world.nowNs;
      if (options.includes("slow")) {
        // Programs that look away for a while, and take little when they look.
        for (const end of [client, server]) end.isReading = false;
        const end = world.random() < 0.5 ? client : server;
        if (world.random() < 0.3) end.read(1 + Math.floor(world.random() * 5000));
      }
      client.step();
      server.step();
    }
    return client.isAtEnd && server.isAtEnd && client.isAllSent && server.isAllSent;
  });
  ticker?.stop();
  const where = `seed ${seed} ${JSON.stringify(weather)} ${sizes} ${options}`;
  assert.ok(
    isDone,
    `${where}: stuck at ${client.receivedBytes} of ${sizes[1]} and ${server.receivedBytes} of ${sizes[0]}`,
  );
  assert.deepEqual(Buffer.from(server.bytes), Buffer.from(client.toSend), where);
  assert.deepEqual(Buffer.from(client.bytes), Buffer.from(server.toSend), where);
  client.close();
  server.close();
  b.listeners.get(80)!.listener.close();
  assert.ok(
    world.run(400 * SEC, () => a.connections.size + b.connections.size === 0),
    `${where}: states ${client.tp.state} ${server.tp.state}`,
  );
  world.run(200 * SEC);
  assert.equal(a.timeWait.count + b.timeWait.count, 0, where);
  assert.equal(
    world.callouts.nextDeadlineNs,
    Number.POSITIVE_INFINITY,
    `${where}: a timer is armed`,
  );
  assert.equal(a.kmem.usedBytes, 0, `${where}: memory of the client`);
  assert.equal(b.kmem.usedBytes, 0, `${where}: memory of the server`);
  assert.equal(a.orphans + b.orphans, 0, where);
  assert.equal(a.mib.CurrEstab + b.mib.CurrEstab, 0, where);
  return world;
}

const SEEDS = 250;
const OPTIONS = ["nosack", "nots", "nows", "reno", "small", "slow"];

describe("tcp over a wire that", () => {
  it("loses nothing", () => {
    transfer(1, { delayNs: MS }, [1_000_000, 0]);
    transfer(2, { delayNs: MS }, [0, 1_000_000]);
    transfer(3, { delayNs: 0 }, [300_000, 300_000]);
    transfer(4, { delayNs: 50 * MS }, [1, 1]);
    transfer(5, { delayNs: 50 * MS, rate: 1e6 }, [500_000, 0]);
  });

  const storms: [string, Weather][] = [
    ["loses some", { delayNs: 10 * MS, loss: 0.02 }],
    ["loses much", { delayNs: 10 * MS, loss: 0.2 }],
    ["reorders", { delayNs: 10 * MS, reorder: 0.3, jitterNs: 5 * MS }],
    ["doubles", { delayNs: 10 * MS, duplicate: 0.2, jitterNs: 5 * MS }],
    ["damages", { delayNs: 10 * MS, corrupt: 0.05 }],
    [
      "does all of that",
      {
        delayNs: 20 * MS,
        loss: 0.05,
        reorder: 0.1,
        duplicate: 0.05,
        corrupt: 0.02,
        jitterNs: 30 * MS,
      },
    ],
  ];
  for (const [name, weather] of storms) {
    it(name, () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        let options = "";
        for (const [i, option] of OPTIONS.entries()) {
          if (randomFrom(seed * 31 + i)() < 0.3) options += ` ${option}`;
        }
        transfer(seed, weather, [20_000 + (seed % 50) * 997, seed % 3 === 0 ? 30_000 : 0], options);
      }
    });
  }
});
