/**
 * Error numbers of Linux (asm-generic), and how the kernel carries them.
 *
 * Inside the kernel an error is a negative number: a function that yields an
 * integer returns `number`, one that yields an object returns `T | Errno`;
 * `failed()` narrows both. Exceptions are for panic alone.
 * Source: errno(3), include/uapi/asm-generic/errno{,-base}.h.
 */
declare const errnoBrand: unique symbol;

/** A negative error number, as a system call returns it. */
export type Errno = number & { readonly [errnoBrand]: true };

/** True when `r` is an error: narrows `T | Errno` and plain counts alike. */
export function failed(r: unknown): r is Errno {
  return typeof r === "number" && r < 0;
}

const e = (n: number): Errno => -n as Errno;

export const EPERM = e(1);
export const ENOENT = e(2);
export const ESRCH = e(3);
export const EINTR = e(4);
export const EIO = e(5);
export const ENXIO = e(6);
export const E2BIG = e(7);
export const ENOEXEC = e(8);
export const EBADF = e(9);
export const ECHILD = e(10);
export const EAGAIN = e(11);
export const ENOMEM = e(12);
export const EACCES = e(13);
export const EFAULT = e(14);
export const ENOTBLK = e(15);
export const EBUSY = e(16);
export const EEXIST = e(17);
export const EXDEV = e(18);
export const ENODEV = e(19);
export const ENOTDIR = e(20);
export const EISDIR = e(21);
export const EINVAL = e(22);
export const ENFILE = e(23);
export const EMFILE = e(24);
export const ENOTTY = e(25);
export const ETXTBSY = e(26);
export const EFBIG = e(27);
export const ENOSPC = e(28);
export const ESPIPE = e(29);
export const EROFS = e(30);
export const EMLINK = e(31);
export const EPIPE = e(32);
export const EDOM = e(33);
export const ERANGE = e(34);
export const EDEADLK = e(35);
export const ENAMETOOLONG = e(36);
export const ENOLCK = e(37);
export const ENOSYS = e(38);
export const ENOTEMPTY = e(39);
export const ELOOP = e(40);
export const ENOMSG = e(42);
export const EIDRM = e(43);
export const ECHRNG = e(44);
export const EL2NSYNC = e(45);
export const EL3HLT = e(46);
export const EL3RST = e(47);
export const ELNRNG = e(48);
export const EUNATCH = e(49);
export const ENOCSI = e(50);
export const EL2HLT = e(51);
export const EBADE = e(52);
export const EBADR = e(53);
export const EXFULL = e(54);
export const ENOANO = e(55);
export const EBADRQC = e(56);
export const EBADSLT = e(57);
export const EBFONT = e(59);
export const ENOSTR = e(60);
export const ENODATA = e(61);
export const ETIME = e(62);
export const ENOSR = e(63);
export const ENONET = e(64);
export const ENOPKG = e(65);
export const EREMOTE = e(66);
export const ENOLINK = e(67);
export const EADV = e(68);
export const ESRMNT = e(69);
export const ECOMM = e(70);
export const EPROTO = e(71);
export const EMULTIHOP = e(72);
export const EDOTDOT = e(73);
export const EBADMSG = e(74);
export const EOVERFLOW = e(75);
export const ENOTUNIQ = e(76);
export const EBADFD = e(77);
export const EREMCHG = e(78);
export const ELIBACC = e(79);
export const ELIBBAD = e(80);
export const ELIBSCN = e(81);
export const ELIBMAX = e(82);
export const ELIBEXEC = e(83);
export const EILSEQ = e(84);
export const ERESTART = e(85);
export const ESTRPIPE = e(86);
export const EUSERS = e(87);
export const ENOTSOCK = e(88);
export const EDESTADDRREQ = e(89);
export const EMSGSIZE = e(90);
export const EPROTOTYPE = e(91);
export const ENOPROTOOPT = e(92);
export const EPROTONOSUPPORT = e(93);
export const ESOCKTNOSUPPORT = e(94);
export const EOPNOTSUPP = e(95);
export const EPFNOSUPPORT = e(96);
export const EAFNOSUPPORT = e(97);
export const EADDRINUSE = e(98);
export const EADDRNOTAVAIL = e(99);
export const ENETDOWN = e(100);
export const ENETUNREACH = e(101);
export const ENETRESET = e(102);
export const ECONNABORTED = e(103);
export const ECONNRESET = e(104);
export const ENOBUFS = e(105);
export const EISCONN = e(106);
export const ENOTCONN = e(107);
export const ESHUTDOWN = e(108);
export const ETOOMANYREFS = e(109);
export const ETIMEDOUT = e(110);
export const ECONNREFUSED = e(111);
export const EHOSTDOWN = e(112);
export const EHOSTUNREACH = e(113);
export const EALREADY = e(114);
export const EINPROGRESS = e(115);
export const ESTALE = e(116);
export const EUCLEAN = e(117);
export const ENOTNAM = e(118);
export const ENAVAIL = e(119);
export const EISNAM = e(120);
export const EREMOTEIO = e(121);
export const EDQUOT = e(122);
export const ENOMEDIUM = e(123);
export const EMEDIUMTYPE = e(124);
export const ECANCELED = e(125);
export const ENOKEY = e(126);
export const EKEYEXPIRED = e(127);
export const EKEYREVOKED = e(128);
export const EKEYREJECTED = e(129);
export const EOWNERDEAD = e(130);
export const ENOTRECOVERABLE = e(131);
export const ERFKILL = e(132);
export const EHWPOISON = e(133);
export const ENOTSUP = EOPNOTSUPP;
export const EDEADLOCK = EDEADLK;
export const EWOULDBLOCK = EAGAIN;
/** What file systems say of a damaged image. */
export const EFSCORRUPTED = EUCLEAN;
export const EFSBADCRC = EBADMSG;

/** Restart codes: never seen by a program; see docs/blocking.md. */
export const ERESTARTSYS = e(512);
export const ERESTARTNOINTR = e(513);
export const ERESTARTNOHAND = e(514);
export const ERESTART_RESTARTBLOCK = e(516);

/** Names by positive number, for strace, ddb and the docs. */
export const errnoNames: ReadonlyMap<number, string> = new Map([
  [1, "EPERM"],
  [2, "ENOENT"],
  [3, "ESRCH"],
  [4, "EINTR"],
  [5, "EIO"],
  [6, "ENXIO"],
  [7, "E2BIG"],
  [8, "ENOEXEC"],
  [9, "EBADF"],
  [10, "ECHILD"],
  [11, "EAGAIN"],
  [12, "ENOMEM"],
  [13, "EACCES"],
  [14, "EFAULT"],
  [15, "ENOTBLK"],
  [16, "EBUSY"],
  [17, "EEXIST"],
  [18, "EXDEV"],
  [19, "ENODEV"],
  [20, "ENOTDIR"],
  [21, "EISDIR"],
  [22, "EINVAL"],
  [23, "ENFILE"],
  [24, "EMFILE"],
  [25, "ENOTTY"],
  [26, "ETXTBSY"],
  [27, "EFBIG"],
  [28, "ENOSPC"],
  [29, "ESPIPE"],
  [30, "EROFS"],
  [31, "EMLINK"],
  [32, "EPIPE"],
  [33, "EDOM"],
  [34, "ERANGE"],
  [35, "EDEADLK"],
  [36, "ENAMETOOLONG"],
  [37, "ENOLCK"],
  [38, "ENOSYS"],
  [39, "ENOTEMPTY"],
  [40, "ELOOP"],
  [42, "ENOMSG"],
  [43, "EIDRM"],
  [44, "ECHRNG"],
  [45, "EL2NSYNC"],
  [46, "EL3HLT"],
  [47, "EL3RST"],
  [48, "ELNRNG"],
  [49, "EUNATCH"],
  [50, "ENOCSI"],
  [51, "EL2HLT"],
  [52, "EBADE"],
  [53, "EBADR"],
  [54, "EXFULL"],
  [55, "ENOANO"],
  [56, "EBADRQC"],
  [57, "EBADSLT"],
  [59, "EBFONT"],
  [60, "ENOSTR"],
  [61, "ENODATA"],
  [62, "ETIME"],
  [63, "ENOSR"],
  [64, "ENONET"],
  [65, "ENOPKG"],
  [66, "EREMOTE"],
  [67, "ENOLINK"],
  [68, "EADV"],
  [69, "ESRMNT"],
  [70, "ECOMM"],
  [71, "EPROTO"],
  [72, "EMULTIHOP"],
  [73, "EDOTDOT"],
  [74, "EBADMSG"],
  [75, "EOVERFLOW"],
  [76, "ENOTUNIQ"],
  [77, "EBADFD"],
  [78, "EREMCHG"],
  [79, "ELIBACC"],
  [80, "ELIBBAD"],
  [81, "ELIBSCN"],
  [82, "ELIBMAX"],
  [83, "ELIBEXEC"],
  [84, "EILSEQ"],
  [85, "ERESTART"],
  [86, "ESTRPIPE"],
  [87, "EUSERS"],
  [88, "ENOTSOCK"],
  [89, "EDESTADDRREQ"],
  [90, "EMSGSIZE"],
  [91, "EPROTOTYPE"],
  [92, "ENOPROTOOPT"],
  [93, "EPROTONOSUPPORT"],
  [94, "ESOCKTNOSUPPORT"],
  [95, "EOPNOTSUPP"],
  [96, "EPFNOSUPPORT"],
  [97, "EAFNOSUPPORT"],
  [98, "EADDRINUSE"],
  [99, "EADDRNOTAVAIL"],
  [100, "ENETDOWN"],
  [101, "ENETUNREACH"],
  [102, "ENETRESET"],
  [103, "ECONNABORTED"],
  [104, "ECONNRESET"],
  [105, "ENOBUFS"],
  [106, "EISCONN"],
  [107, "ENOTCONN"],
  [108, "ESHUTDOWN"],
  [109, "ETOOMANYREFS"],
  [110, "ETIMEDOUT"],
  [111, "ECONNREFUSED"],
  [112, "EHOSTDOWN"],
  [113, "EHOSTUNREACH"],
  [114, "EALREADY"],
  [115, "EINPROGRESS"],
  [116, "ESTALE"],
  [117, "EUCLEAN"],
  [118, "ENOTNAM"],
  [119, "ENAVAIL"],
  [120, "EISNAM"],
  [121, "EREMOTEIO"],
  [122, "EDQUOT"],
  [123, "ENOMEDIUM"],
  [124, "EMEDIUMTYPE"],
  [125, "ECANCELED"],
  [126, "ENOKEY"],
  [127, "EKEYEXPIRED"],
  [128, "EKEYREVOKED"],
  [129, "EKEYREJECTED"],
  [130, "EOWNERDEAD"],
  [131, "ENOTRECOVERABLE"],
  [132, "ERFKILL"],
  [133, "EHWPOISON"],
  [512, "ERESTARTSYS"],
  [513, "ERESTARTNOINTR"],
  [514, "ERESTARTNOHAND"],
  [516, "ERESTART_RESTARTBLOCK"],
]);
