/**
 * PACKET_RX_RING: packets in memory that a program shares with the kernel, TPACKET_V2.
 *
 * The ring is an object of guest RAM, cut into frames. A frame belongs to the kernel while its status is
 * 0; the kernel writes a packet and then its status, the program reads it and writes 0 back. Whatever
 * else the program writes there is its own affair: only a status is ever read. See packet(7), Linux
 * Documentation/networking/packet_mmap.rst.
 */
import { EINVAL, ENOMEM, type Errno, failed } from "../../abi/errno.ts";
import * as pk from "../../abi/packet.ts";
import { AnonObject } from "../../vm/object.ts";
import type { PageAllocator } from "../../vm/page.ts";
import { PAGE_SIZE } from "../../vm/param.ts";

const LEAST_LINK = 16;

export interface RingPacket {
  /** Without a link header for SOCK_DGRAM; cut to what is to be kept. */
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly linkBytes: number;
  readonly from: Uint8Array;
  readonly status: number;
  readonly sec: number;
  readonly nsec: number;
}

export class PacketRing {
  readonly object: AnonObject;
  readonly #blockBytes: number;
  readonly #frameBytes: number;
  readonly #framesPerBlock: number;
  readonly #frames: number;
  readonly #reserve: number;
  #head = 0;
  readonly #word = new Uint8Array(4);

  private constructor(pages: PageAllocator, shape: RingShape, reserve: number) {
    this.object = new AnonObject(pages, shape.blockBytes * shape.blocks);
    this.#blockBytes = shape.blockBytes;
    this.#frameBytes = shape.frameBytes;
    this.#framesPerBlock = Math.floor(shape.blockBytes / shape.frameBytes);
    this.#frames = shape.frames;
    this.#reserve = reserve;
  }

  /** As struct tpacket_req asks: EINVAL, ENOMEM. */
  static make(pages: PageAllocator, shape: RingShape, reserve: number): PacketRing | Errno {
    const { blockBytes, blocks, frameBytes, frames } = shape;
    if (blockBytes === 0 || blockBytes % PAGE_SIZE !== 0) return EINVAL;
    if (frameBytes < pk.TPACKET2_HDRLEN + reserve || frameBytes % pk.TPACKET_ALIGNMENT !== 0) {
      return EINVAL;
    }
    const perBlock = Math.floor(blockBytes / frameBytes);
    if (perBlock === 0 || perBlock * blocks !== frames) return EINVAL;
    if (blockBytes * blocks > pages.totalPages * PAGE_SIZE) return ENOMEM;
    return new PacketRing(pages, shape, reserve);
  }

  /** True while the program has a packet that it did not give back. */
  get hasPacket(): boolean {
    const before = (this.#head + this.#frames - 1) % this.#frames;
    return this.#statusAt(this.#offsetOf(before)) !== pk.TP_STATUS_KERNEL;
  }

  /** False if there is no free frame, or no memory: it is lost. */
  put(p: RingPacket): boolean {
    const at = this.#offsetOf(this.#head);
    if (this.#statusAt(at) !== pk.TP_STATUS_KERNEL) return false;
    const least = p.linkBytes === 0 ? LEAST_LINK : Math.max(LEAST_LINK, p.linkBytes);
    const net = align(pk.TPACKET2_HDRLEN + least) + this.#reserve;
    const mac = net - p.linkBytes;
    const room = Math.max(0, this.#frameBytes - mac);
    const kept = p.bytes.subarray(0, room);
    const header = new Uint8Array(pk.TPACKET2_HDRLEN);
    const view = new DataView(header.buffer);
    pk.Tpacket2Hdr.tp_len.set(view, 0, p.length);
    pk.Tpacket2Hdr.tp_snaplen.set(view, 0, kept.length);
    pk.Tpacket2Hdr.tp_mac.set(view, 0, mac);
    pk.Tpacket2Hdr.tp_net.set(view, 0, net);
    pk.Tpacket2Hdr.tp_sec.set(view, 0, p.sec % 2 ** 32);
    pk.Tpacket2Hdr.tp_nsec.set(view, 0, p.nsec);
    header.set(p.from, align(pk.Tpacket2Hdr.sizeof));
    const { object } = this;
    if (failed(object.writeBytes(at + mac, kept)) || failed(object.writeBytes(at, header)))
      return false;
    new DataView(this.#word.buffer).setUint32(0, p.status, true);
    object.writeBytes(at, this.#word);
    this.#head = (this.#head + 1) % this.#frames;
    return true;
  }

  #offsetOf(frame: number): number {
    const block = Math.floor(frame / this.#framesPerBlock);
    return block * this.#blockBytes + (frame % this.#framesPerBlock) * this.#frameBytes;
  }

  #statusAt(offset: number): number {
    this.object.readBytes(offset, this.#word);
    return new DataView(this.#word.buffer).getUint32(0, true);
  }
}

export interface RingShape {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly frameBytes: number;
  readonly frames: number;
}

function align(n: number): number {
  return Math.ceil(n / pk.TPACKET_ALIGNMENT) * pk.TPACKET_ALIGNMENT;
}
