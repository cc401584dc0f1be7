/** The modules of CPython's tests that ask a kernel for something; the first lines are those that it was asked to pass. */
const NAMES = `
  os posix subprocess signal threading socket select selectors epoll mmap fcntl pty tempfile shutil pathlib
  asyncio multiprocessing_fork multiprocessing_spawn concurrent_futures sqlite3 io resource time ssl
  multiprocessing_forkserver multiprocessing_main_handling socketserver timeout
  builtin cmd_line cmd_line_script ctypes curses dbm eintr faulthandler file filecmp fileinput fileio fork1
  ftplib gc glob grp hashlib httplib httpservers imaplib import ioctl largefile logging mailbox
  openpty pdb platform poll popen poplib posixpath pwd queue readline runpy sched
  shelve site smtplib stat sys syslog tarfile termios thread threadsignals threading_local tty
  urllib2_localnet uuid wait3 wait4 xmlrpc zipfile
  atexit bdb bz2 c_locale_coercion cmath codecs compileall csv datetime dbm_dumb dbm_gnu dbm_ndbm dbm_sqlite3
  decimal docxmlrpc errno external_inspection file_eintr fileutils float genericpath getpass getpath gzip
  importlib interpreters json locale lzma marshal math memoryio memoryview netrc pickle print py_compile pyexpat
  pyrepl random re`;

export const MODULES: readonly string[] = NAMES.trim()
  .split(/\s+/)
  .map((name) => `test_${name}`);
