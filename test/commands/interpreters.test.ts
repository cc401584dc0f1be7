/** python3 -c and perl -e: what programs ask of a kernel through their libraries. */
import { imagePath } from "../cli/cli.ts";
import { sameInOneGuest } from "./same.ts";

sameInOneGuest(imagePath("debian"), [
  `echo 'print(1+1)' | PYTHON_BASIC_REPL=1 python3 -i; echo 'p 1+1' | perl -de0`,
  `python3 -c 'import multiprocessing as m; print(m.get_context("fork").Pool(2).map(abs,[-1,-2]), m.get_all_start_methods())'`,
  `python3 -c 'import select,os; r,w=os.pipe(); p=select.poll(); p.register(r,1); print(p.poll(10)); os.write(w,b"x"); print(p.poll(10)); e=select.epoll(); e.register(r,1); print(e.poll(1))'`,
  `python3 -c 'import mmap,os; m=mmap.mmap(-1,8192); m[0]=65; pid=os.fork(); (m.__setitem__(1,66), os._exit(0)) if pid==0 else os.wait(); print(m[:2])'`,
  `python3 -c 'import signal,os; signal.signal(signal.SIGUSR1,lambda *a:print("usr1")); os.kill(os.getpid(),signal.SIGUSR1); signal.signal(signal.SIGALRM,lambda *a:print("alrm")); signal.setitimer(signal.ITIMER_REAL,.05); signal.pause()'`,
  `python3 -c 'import pty,os; pid,fd=pty.fork(); os.execlp("echo","echo","pty") if pid==0 else print(os.read(fd,100))'`,
  `python3 -c 'import os,fcntl,termios,struct; m,s=os.openpty(); fcntl.ioctl(s,termios.TIOCSWINSZ,struct.pack("HHHH",30,90,0,0)); print(os.get_terminal_size(m)); os.write(m,b"abc\\n"); print(os.read(s,10), os.read(m,10))'`,
  `python3 -c 'import os; f=os.memfd_create("x"); os.write(f,b"abc"); print(os.pread(f,3,0), os.readlink(f"/proc/self/fd/{f}")); e=os.eventfd(3); print(os.eventfd_read(e)); print(os.posix_fallocate(f,0,100), os.fstat(f).st_size)'`,
  `python3 -c 'import subprocess as s; p=s.Popen("exec sleep 9",shell=True,start_new_session=True); p.terminate(); print(p.wait(), s.getoutput("echo a; echo b >&2")); s.run(["nope"])' 2>&1 | tail -2`,
  `python3 -c 'import threading,queue; q=queue.Queue(); ts=[threading.Thread(target=lambda i=i:q.put(i*i)) for i in range(20)]; [t.start() for t in ts]; [t.join() for t in ts]; print(sorted(q.queue))'`,
  `python3 -c 'import concurrent.futures as c; print(list(c.ThreadPoolExecutor(4).map(lambda x:x+1, range(5))), sum(c.ProcessPoolExecutor(2).map(abs, range(5))))'`,
  `python3 -c 'import time; a=time.monotonic(); time.sleep(.1); b=time.monotonic(); print(.09<b-a<2, time.get_clock_info("monotonic").resolution, time.tzname)'`,
  `python3 -c 'import os; a=os.open("/etc/passwd",0); b=os.open("b",0o102); print(os.sendfile(b,a,0,50), os.fstat(b).st_size); os.posix_fadvise(a,0,0,os.POSIX_FADV_WILLNEED); os.fsync(b); os.lockf(b,os.F_LOCK,0); os.lseek(b,0,0); print(os.lseek(b,0,os.SEEK_HOLE), os.copy_file_range(b,os.open("c",0o102),20))'`,
  `python3 -c 'open("s","wb").close(); f=open("s","r+b"); f.seek(2**40); f.write(b"x"); f.close(); import os; print(os.stat("s").st_size); os.setxattr("s","user.a",b"1"); print(os.listxattr("s")); open("x"*256,"w")' 2>&1 | tail -2 | cut -c1-40`,
  `python3 -c 'from multiprocessing import shared_memory as s; a=s.SharedMemory(create=True,size=100); print(len(a.buf)); a.close(); a.unlink()'`,
  `python3 -c 'import lzma,bz2,zlib,ssl,decimal,ctypes; d=open("/etc/passwd","rb").read(); print([m.decompress(m.compress(d))==d for m in (lzma,bz2,zlib)], decimal.Decimal(1)/3, ssl.OPENSSL_VERSION, ctypes.CDLL(None).abs(-3))'`,
  `python3 -c 'import math,random,statistics; random.seed(1); x=[random.gauss(0,1) for _ in range(1000)]; print(statistics.fmean(x), statistics.stdev(x), math.fsum(x), [math.gamma(v) for v in (.5,5,10.1)], 0.1+0.2, 2**0.5, 1e308*10, -0.0)'`,
  `sh -c 'ulimit -n 10; python3 -c "import os; [os.dup(0) for _ in range(20)]"' 2>&1 | tail -1`,
  `perl -MTime::HiRes=sleep,time -e '$t=time; sleep .05; print time-$t>.04?"ok":"no","\\n"'; perl -e '$SIG{ALRM}=sub{print "alrm\\n"}; alarm 1; sleep 3'`,
  `perl -e 'pipe R,W; if(!fork){close R; print W "child\\n"; exit 3} close W; print <R>; wait; print $?>>8,"\\n"; kill 0,$$ and print "alive\\n"'`,
  `perl -e 'printf "%s\\n", join ",", (getpwnam "root")[0,2,3,7]; print scalar(localtime(0)),"\\n", -s "/etc/passwd","\\n"; $!=2; print "$!\\n"; $|=1; print \`echo sub\`; exec "echo","exec"'`,
  `perl -Mthreads -e 'print join(",", map { $_->join } map { my $n=$_; threads->create(sub { $n*$n }) } 1..5),"\\n"'`,
  `perl -MIPC::Open3 -e '$p=open3(my $i,my $o,undef,"cat"); print $i "x\\n"; close $i; print <$o>; waitpid $p,0; print $?,"\\n"'`,
  `perl -e 'printf "%.3e %x %o %b %.17g %s\\n",12345.678,255,8,5,1/3,9**20; print join(" ",map {sprintf "%.15g",$_} sin(1),cos(1),atan2(1,2),exp(1),log(3),sqrt(2)),"\\n"'`,
]);
