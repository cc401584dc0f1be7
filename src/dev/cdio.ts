/**
 * What programs ask a CD-ROM drive: its disc is there, has one data track, and
 * stays. blkid(8), eject(1), mount(8), wodim and GRUB ask some of it; what
 * plays sound or moves a tray is not there. See <linux/cdrom.h>.
 */
import {
  CD_FRAMES,
  CD_MSF_OFFSET,
  CD_SECS,
  CDC_DRIVE_STATUS,
  CDC_MEDIA_CHANGED,
  CDC_MULTI_SESSION,
  CDROM_CHANGER_NSLOTS,
  CDROM_CLEAR_OPTIONS,
  CDROM_DATA_TRACK,
  CDROM_DISC_STATUS,
  CDROM_DRIVE_STATUS,
  CDROM_GET_CAPABILITY,
  CDROM_LAST_WRITTEN,
  CDROM_LBA,
  CDROM_LEADOUT,
  CDROM_LOCKDOOR,
  CDROM_MEDIA_CHANGED,
  CDROM_MSF,
  CDROM_SELECT_SPEED,
  CDROM_SET_OPTIONS,
  CDROMCLOSETRAY,
  CDROMEJECT,
  CDROMMULTISESSION,
  CDROMREADTOCENTRY,
  CDROMREADTOCHDR,
  CDROMSTART,
  CDROMSTOP,
  CDS_DATA_1,
  CDS_DISC_OK,
  CDSL_CURRENT,
  CdromMultisession,
  CdromTocEntry,
  CdromTocHdr,
} from "../abi/cdrom.ts";
import { EFAULT, EINVAL, ENOSYS, ENOTTY, EOPNOTSUPP, failed } from "../abi/errno.ts";
import type { Thread } from "../kern/thread.ts";
import type { UserMemory } from "../vm/usermem.ts";

const TRACK = 1;
/** Of a table of contents: the low half says that positions are given. */
const ADR = 1;

/** `blocks` of 2048 bytes are on the disc. */
export function cdIoctl(
  blocks: number,
  _td: Thread,
  request: number,
  arg: number,
  mem: UserMemory,
): number {
  switch (request >>> 0) {
    case CDROM_GET_CAPABILITY:
      return CDC_DRIVE_STATUS | CDC_MULTI_SESSION | CDC_MEDIA_CHANGED;
    case CDROM_DRIVE_STATUS:
      return isSlot(arg) ? CDS_DISC_OK : EINVAL;
    case CDROM_DISC_STATUS:
      return CDS_DATA_1;
    case CDROM_MEDIA_CHANGED:
      return isSlot(arg) ? 0 : EINVAL;
    case CDROM_CHANGER_NSLOTS:
      return 1;
    case CDROM_SET_OPTIONS:
    case CDROM_CLEAR_OPTIONS:
    case CDROM_SELECT_SPEED:
    case CDROMSTART:
    case CDROMSTOP:
      return 0;
    // It has neither a door nor a tray.
    case CDROM_LOCKDOOR:
      return EOPNOTSUPP;
    case CDROMEJECT:
    case CDROMCLOSETRAY:
      return ENOSYS;
    case CDROMREADTOCHDR:
      return readHeader(arg, mem);
    case CDROMREADTOCENTRY:
      return readEntry(blocks, arg, mem);
    case CDROMMULTISESSION:
      return readSession(arg, mem);
    case CDROM_LAST_WRITTEN:
      return mem.storeU32(arg, blocks);
    default:
      return ENOTTY;
  }
}

function isSlot(arg: number): boolean {
  return arg === CDSL_CURRENT || arg === 0;
}

function readHeader(arg: number, mem: UserMemory): number {
  const view = new DataView(new ArrayBuffer(CdromTocHdr.sizeof));
  CdromTocHdr.cdth_trk0.set(view, 0, TRACK);
  CdromTocHdr.cdth_trk1.set(view, 0, TRACK);
  return stored(mem, arg, view);
}

/** Where the track begins, or, of the lead-out, where it ends. */
function readEntry(blocks: number, arg: number, mem: UserMemory): number {
  const view = new DataView(new ArrayBuffer(CdromTocEntry.sizeof));
  if (failed(mem.copyin(arg, new Uint8Array(view.buffer)))) return EFAULT;
  const e = CdromTocEntry;
  const track = e.cdte_track.get(view, 0);
  const format = e.cdte_format.get(view, 0);
  if (track !== TRACK && track !== CDROM_LEADOUT) return EINVAL;
  if (format !== CDROM_LBA && format !== CDROM_MSF) return EINVAL;
  e.cdte_adr_ctrl.set(view, 0, ADR | (CDROM_DATA_TRACK << 4));
  e.cdte_datamode.set(view, 0, 1);
  storeAddress(view, e.cdte_addr.offset, format, track === TRACK ? 0 : blocks);
  return stored(mem, arg, view);
}

/** One session, so no address of a last one that is valid. */
function readSession(arg: number, mem: UserMemory): number {
  const view = new DataView(new ArrayBuffer(CdromMultisession.sizeof));
  if (failed(mem.copyin(arg, new Uint8Array(view.buffer)))) return EFAULT;
  const format = CdromMultisession.addr_format.get(view, 0);
  if (format !== CDROM_LBA && format !== CDROM_MSF) return EINVAL;
  CdromMultisession.xa_flag.set(view, 0, 0);
  storeAddress(view, CdromMultisession.addr.offset, format, 0);
  return stored(mem, arg, view);
}

function storeAddress(view: DataView, at: number, format: number, block: number): void {
  if (format === CDROM_LBA) {
    view.setUint32(at, block, true);
    return;
  }
  const frames = block + CD_MSF_OFFSET;
  view.setUint32(at, 0);
  view.setUint8(at, Math.min(255, Math.floor(frames / (CD_FRAMES * CD_SECS))));
  view.setUint8(at + 1, Math.floor(frames / CD_FRAMES) % CD_SECS);
  view.setUint8(at + 2, frames % CD_FRAMES);
}

function stored(mem: UserMemory, arg: number, view: DataView): number {
  const r = mem.copyout(arg, new Uint8Array(view.buffer));
  return failed(r) ? r : 0;
}
