/** ioctl(2) requests of CD-ROM drives, from <linux/cdrom.h>. */
import { struct, u8, u16, u32 } from "../lib/struct.ts";

export const CDROMREADTOCHDR = 0x5305;
export const CDROMREADTOCENTRY = 0x5306;
export const CDROMSTOP = 0x5307;
export const CDROMSTART = 0x5308;
export const CDROMEJECT = 0x5309;
export const CDROMMULTISESSION = 0x5310;
export const CDROM_GET_MCN = 0x5311;
export const CDROMCLOSETRAY = 0x5319;
export const CDROM_SET_OPTIONS = 0x5320;
export const CDROM_CLEAR_OPTIONS = 0x5321;
export const CDROM_SELECT_SPEED = 0x5322;
export const CDROM_MEDIA_CHANGED = 0x5325;
export const CDROM_DRIVE_STATUS = 0x5326;
export const CDROM_DISC_STATUS = 0x5327;
export const CDROM_CHANGER_NSLOTS = 0x5328;
export const CDROM_LOCKDOOR = 0x5329;
export const CDROM_GET_CAPABILITY = 0x5331;
export const CDROM_LAST_WRITTEN = 0x5395;

/** Capabilities: one disc, which is there for good. */
export const CDC_MULTI_SESSION = 0x20;
export const CDC_MEDIA_CHANGED = 0x80;
export const CDC_DRIVE_STATUS = 0x800;

export const CDSL_CURRENT = 0x7fffffff;
export const CDS_DISC_OK = 4;
export const CDS_DATA_1 = 101;

export const CDROM_LBA = 1;
export const CDROM_MSF = 2;
export const CDROM_DATA_TRACK = 4;
export const CDROM_LEADOUT = 0xaa;
/** Frames of 1/75 s that precede block 0. */
export const CD_MSF_OFFSET = 150;
export const CD_FRAMES = 75;
export const CD_SECS = 60;

export const CdromTocHdr = struct({ cdth_trk0: u8, cdth_trk1: u8 });
/** `cdte_adr_ctrl`: adr in the low four bits. Of `cdte_addr`, MSF takes the first three bytes. */
export const CdromTocEntry = struct({
  cdte_track: u8,
  cdte_adr_ctrl: u8,
  cdte_format: u8,
  cdte_addr: u32,
  cdte_datamode: u8,
});
export const CdromMultisession = struct({ addr: u32, xa_flag: u8, addr_format: u8, pad: u16 });
