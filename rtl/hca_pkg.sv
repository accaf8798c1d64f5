// Printed by hcasim_gen from model/spec/*.def. Do not edit.
//
// Parameters carry the defaults of param.def; a module takes those it needs as its own
// parameters, so that one build can hold several configurations.
// verilator lint_off UNUSEDPARAM
package hca_pkg;
  parameter logic [63:0] CoreClockKhz = 64'd1000000;
  parameter logic [63:0] CpuCores = 64'd8;
  parameter logic [63:0] CpuClockMhz = 64'd2200;
  parameter logic [63:0] CpuCompletion = 64'd0;
  parameter logic [63:0] CpuDoorbellBatch = 64'd1;
  parameter logic [63:0] CpuPostCycles = 64'd80;
  parameter logic [63:0] CpuPostSgeCycles = 64'd8;
  parameter logic [63:0] CpuPostInlineCycles = 64'd6;
  parameter logic [63:0] CpuPostRecvCycles = 64'd50;
  parameter logic [63:0] CpuDoorbellCycles = 64'd60;
  parameter logic [63:0] CpuWqeMmioCycles = 64'd90;
  parameter logic [63:0] CpuPollCycles = 64'd25;
  parameter logic [63:0] CpuPollCqeCycles = 64'd60;
  parameter logic [63:0] CpuArmCycles = 64'd60;
  parameter logic [63:0] CpuInterruptCycles = 64'd2500;
  parameter logic [63:0] CpuContextSwitchCycles = 64'd3500;
  parameter logic [63:0] CpuSyscallCycles = 64'd700;
  parameter logic [63:0] CpuCommandCycles = 64'd20000;
  parameter logic [63:0] HcaFnMax = 64'd1;
  parameter logic [63:0] HcaNamespaces = 64'd0;
  parameter logic [63:0] HcaQpMax = 64'd4096;
  parameter logic [63:0] HcaCqMax = 64'd4096;
  parameter logic [63:0] HcaMrMax = 64'd65536;
  parameter logic [63:0] HcaPdMax = 64'd4096;
  parameter logic [63:0] HcaSrqMax = 64'd1024;
  parameter logic [63:0] HcaAhMax = 64'd4096;
  parameter logic [63:0] HcaGidMax = 64'd128;
  parameter logic [63:0] HcaUarMax = 64'd512;
  parameter logic [63:0] HcaMaxQpWr = 64'd16384;
  parameter logic [63:0] HcaMaxSrqWr = 64'd16384;
  parameter logic [63:0] HcaMaxCqe = 64'd65536;
  parameter logic [63:0] HcaMaxSge = 64'd16;
  parameter logic [63:0] HcaMaxRdAtomic = 64'd16;
  parameter logic [63:0] HcaInlineMaxBytes = 64'd220;
  parameter logic [63:0] HcaWqeFormat = 64'd0;
  parameter logic [63:0] HcaPvrdmaVersion = 64'd20;
  parameter logic [63:0] HcaMmioNs = 64'd10;
  parameter logic [63:0] HcaDoorbellIntervalPs = 64'd1000;
  parameter logic [63:0] HcaWqeMmioBytes = 64'd256;
  parameter logic [63:0] HcaCommandProcessNs = 64'd2000;
  parameter logic [63:0] HcaArbiterQuantumBytes = 64'd4096;
  parameter logic [63:0] HcaPuCount = 64'd8;
  parameter logic [63:0] HcaPuWqeNs = 64'd20;
  parameter logic [63:0] HcaWqeProcessNs = 64'd20;
  parameter logic [63:0] HcaContextStore = 64'd0;
  parameter logic [63:0] HcaOnboardReadNs = 64'd100;
  parameter logic [63:0] HcaContextHitNs = 64'd4;
  parameter logic [63:0] HcaContextMissEntries = 64'd16;
  parameter logic [63:0] HcaQpCacheEntries = 64'd1024;
  parameter logic [63:0] HcaQpCacheWays = 64'd8;
  parameter logic [63:0] HcaCqCacheEntries = 64'd1024;
  parameter logic [63:0] HcaCqCacheWays = 64'd8;
  parameter logic [63:0] HcaSrqCacheEntries = 64'd256;
  parameter logic [63:0] HcaSrqCacheWays = 64'd8;
  parameter logic [63:0] HcaWqePrefetchEntries = 64'd8;
  parameter logic [63:0] HcaWqeFetchInflight = 64'd16;
  parameter logic [63:0] HcaWqeWindowEntries = 64'd512;
  parameter logic [63:0] HcaRecvPrefetchEntries = 64'd4;
  parameter logic [63:0] HcaXlatHitNs = 64'd4;
  parameter logic [63:0] HcaXlatMissEntries = 64'd16;
  parameter logic [63:0] HcaMptCacheEntries = 64'd2048;
  parameter logic [63:0] HcaMptCacheWays = 64'd8;
  parameter logic [63:0] HcaMttCacheEntries = 64'd8192;
  parameter logic [63:0] HcaMttCacheWays = 64'd8;
  parameter logic [63:0] HcaMttFetchEntries = 64'd8;
  parameter logic [63:0] HcaDmaReadTags = 64'd256;
  parameter logic [63:0] HcaDmaReadJobs = 64'd64;
  parameter logic [63:0] HcaDmaWriteJobs = 64'd64;
  parameter logic [63:0] HcaDmaIssueIntervalPs = 64'd1000;
  parameter logic [63:0] HcaDmaWriteIntervalPs = 64'd0;
  parameter logic [63:0] HcaDmaEngineNs = 64'd10;
  parameter logic [63:0] HcaDmaReadExtraNs = 64'd0;
  parameter logic [63:0] HcaDmaStoreMbps = 64'd0;
  parameter logic [63:0] HcaBenchTurnNs = 64'd0;
  parameter logic [63:0] HcaRelaxedOrdering = 64'd0;
  parameter logic [63:0] HcaAtomicSlots = 64'd4096;
  parameter logic [63:0] HcaPacketBuildNs = 64'd20;
  parameter logic [63:0] HcaPacketParseNs = 64'd20;
  parameter logic [63:0] HcaCheckNs = 64'd10;
  parameter logic [63:0] HcaRespondNs = 64'd10;
  parameter logic [63:0] HcaCompleteNs = 64'd10;
  parameter logic [63:0] HcaWindowPackets = 64'd128;
  parameter logic [63:0] HcaWindowMessages = 64'd65536;
  parameter logic [63:0] HcaWindowReads = 64'd16384;
  parameter logic [63:0] HcaAckRequestPackets = 64'd64;
  parameter logic [63:0] HcaAckCoalescePackets = 64'd1;
  parameter logic [63:0] HcaAckDelayNs = 64'd0;
  parameter logic [63:0] HcaAckTimeoutPercent = 64'd100;
  parameter logic [63:0] HcaTxBufferPackets = 64'd64;
  parameter logic [63:0] HcaRxBufferBytes = 64'd524288;
  parameter logic [63:0] HcaLoopbackLatencyNs = 64'd100;
  parameter logic [63:0] HcaLoopbackMbps = 64'd100000;
  parameter logic [63:0] HcaEventModerationNs = 64'd0;
  parameter logic [63:0] HcaEventModerationCount = 64'd1;
  parameter logic [63:0] PcieGen = 64'd3;
  parameter logic [63:0] PcieLanes = 64'd16;
  parameter logic [63:0] PcieMpsBytes = 64'd256;
  parameter logic [63:0] PcieMrrsBytes = 64'd512;
  parameter logic [63:0] PcieRcbBytes = 64'd64;
  parameter logic [63:0] PcieCplChunk = 64'd1;
  parameter logic [63:0] PcieAckIntervalBytes = 64'd0;
  parameter logic [63:0] PcieFcIntervalBytes = 64'd0;
  parameter logic [63:0] PcieSkpIntervalBytes = 64'd1538;
  parameter logic [63:0] PcieEcrc = 64'd0;
  parameter logic [63:0] PcieIdo = 64'd0;
  parameter logic [63:0] PcieLatencyUpNs = 64'd200;
  parameter logic [63:0] PcieLatencyDownNs = 64'd200;
  parameter logic [63:0] PcieTags = 64'd256;
  parameter logic [63:0] PciePostedHeaderCredits = 64'd96;
  parameter logic [63:0] PciePostedDataCredits = 64'd512;
  parameter logic [63:0] PcieNpHeaderCredits = 64'd96;
  parameter logic [63:0] PcieCreditReturnNs = 64'd100;
  parameter logic [63:0] PcieMmioPostedHeaderCredits = 64'd127;
  parameter logic [63:0] PcieMmioPostedDataCredits = 64'd508;
  parameter logic [63:0] PcieMmioNpHeaderCredits = 64'd32;
  parameter logic [63:0] PcieMmioWriteNs = 64'd100;
  parameter logic [63:0] PcieMmioReadNs = 64'd150;
  parameter logic [63:0] IommuMode = 64'd2;
  parameter logic [63:0] IommuLevels = 64'd4;
  parameter logic [63:0] IommuIotlb4kEntries = 64'd64;
  parameter logic [63:0] IommuIotlb4kWays = 64'd64;
  parameter logic [63:0] IommuIotlb2mEntries = 64'd32;
  parameter logic [63:0] IommuIotlb2mWays = 64'd32;
  parameter logic [63:0] IommuIotlb1gEntries = 64'd8;
  parameter logic [63:0] IommuIotlb1gWays = 64'd8;
  parameter logic [63:0] IommuPscPml5Entries = 64'd4;
  parameter logic [63:0] IommuPscPml4Entries = 64'd16;
  parameter logic [63:0] IommuPscPdpEntries = 64'd16;
  parameter logic [63:0] IommuPscPdEntries = 64'd64;
  parameter logic [63:0] IommuContextCacheEntries = 64'd32;
  parameter logic [63:0] IommuWalkers = 64'd6;
  parameter logic [63:0] IommuPendingEntries = 64'd64;
  parameter logic [63:0] IommuHitNs = 64'd5;
  parameter logic [63:0] IommuWalkOverheadNs = 64'd20;
  parameter logic [63:0] IommuWalkStepNs = 64'd100;
  parameter logic [63:0] IommuMerge = 64'd1;
  parameter logic [63:0] IommuFaultRecords = 64'd8;
  parameter logic [63:0] IommuInvalidateNs = 64'd100;
  parameter logic [63:0] HostCount = 64'd2;
  parameter logic [63:0] HostHcas = 64'd1;
  parameter logic [63:0] HostVms = 64'd1;
  parameter logic [63:0] HostVmRequester = 64'd0;
  parameter logic [63:0] HostMemBytes = 64'd1073741824;
  parameter logic [63:0] HostLayout = 64'd0;
  parameter logic [63:0] HostShare2mPercent = 64'd0;
  parameter logic [63:0] HostShare1gPercent = 64'd0;
  parameter logic [63:0] HostLlcHitNs = 64'd70;
  parameter logic [63:0] HostDramNs = 64'd110;
  parameter logic [63:0] HostRemoteSocketNs = 64'd107;
  parameter logic [63:0] HostSocket = 64'd0;
  parameter logic [63:0] HostLlcBytes = 64'd26214400;
  parameter logic [63:0] HostDdio = 64'd1;
  parameter logic [63:0] HostBufferState = 64'd0;
  parameter logic [63:0] HostMemParallelism = 64'd64;
  parameter logic [63:0] HostMemMbps = 64'd375200;
  parameter logic [63:0] PortWire = 64'd0;
  parameter logic [63:0] PortIp = 64'd4;
  parameter logic [63:0] PortVlanId = 64'd0;
  parameter logic [63:0] PortVlanPriority = 64'd0;
  parameter logic [63:0] PortRateMbps = 64'd100000;
  parameter logic [63:0] PortMtuBytes = 64'd4096;
  parameter logic [63:0] PortUdpSport = 64'd0;
  parameter logic [63:0] PortEcnCapable = 64'd1;
  parameter logic [63:0] PortIbGrh = 64'd0;
  parameter logic [63:0] PortVlCount = 64'd1;
  parameter logic [63:0] PortVlHighMask = 64'd0;
  parameter logic [63:0] PortVlHighLimit = 64'd255;
  parameter logic [63:0] PortVlWeight0 = 64'd64;
  parameter logic [63:0] PortVlWeight1 = 64'd64;
  parameter logic [63:0] PortVlWeight2 = 64'd64;
  parameter logic [63:0] PortVlWeight3 = 64'd64;
  parameter logic [63:0] PortVlWeight4 = 64'd64;
  parameter logic [63:0] PortVlWeight5 = 64'd64;
  parameter logic [63:0] PortVlWeight6 = 64'd64;
  parameter logic [63:0] PortVlWeight7 = 64'd64;
  parameter logic [63:0] PortVlWeight8 = 64'd64;
  parameter logic [63:0] PortVlWeight9 = 64'd64;
  parameter logic [63:0] PortVlWeight10 = 64'd64;
  parameter logic [63:0] PortVlWeight11 = 64'd64;
  parameter logic [63:0] PortVlWeight12 = 64'd64;
  parameter logic [63:0] PortVlWeight13 = 64'd64;
  parameter logic [63:0] PortVlWeight14 = 64'd64;
  parameter logic [63:0] PortVlCreditsBytes = 64'd16384;
  parameter logic [63:0] PortFcIntervalSymbols = 64'd65536;
  parameter logic [63:0] PortPause = 64'd0;
  parameter logic [63:0] PortPauseXoffBytes = 64'd393216;
  parameter logic [63:0] PortPauseXonBytes = 64'd262144;
  parameter logic [63:0] PortFecNs = 64'd100;
  parameter logic [63:0] PortMacLatencyNs = 64'd40;
  parameter logic [63:0] LinkLengthMm = 64'd3000;
  parameter logic [63:0] LinkExtraLatencyNs = 64'd0;
  parameter logic [63:0] LinkSwitch = 64'd1;
  parameter logic [63:0] LinkSwitchLatencyNs = 64'd300;
  parameter logic [63:0] LinkQueueBytes = 64'd1048576;
  parameter logic [63:0] LinkLossPpm = 64'd0;
  parameter logic [63:0] LinkDupPpm = 64'd0;
  parameter logic [63:0] LinkReorderPpm = 64'd0;
  parameter logic [63:0] LinkCorruptPpm = 64'd0;
  parameter logic [63:0] LinkEcnThresholdBytes = 64'd0;
  parameter logic [63:0] LinkEcnPpm = 64'd0;
  parameter logic [63:0] SimSeed = 64'd1;
  parameter logic [63:0] SimPayload = 64'd1;
  parameter logic [63:0] SimTrainTlpsMax = 64'd1;

  parameter int unsigned MmioReqW = 582;
  typedef struct packed {
    logic [63:0] d0;
    logic [63:0] d1;
    logic [63:0] d2;
    logic [63:0] d3;
    logic [63:0] d4;
    logic [63:0] d5;
    logic [63:0] d6;
    logic [63:0] d7;
    logic [31:0] offset;
    logic [15:0] tag;
    logic [2:0] hca;
    logic [7:0] fn;
    logic [2:0] bar;
    logic [6:0] len;
    logic write;
  } mmio_req_t;

  parameter int unsigned MmioRspW = 98;
  typedef struct packed {
    logic [63:0] data;
    logic [15:0] tag;
    logic [2:0] hca;
    logic [7:0] fn;
    logic [6:0] len;
  } mmio_rsp_t;

  parameter int unsigned RegWriteW = 48;
  typedef struct packed {
    logic [31:0] data;
    logic [7:0] fn;
    logic [7:0] index;
  } reg_write_t;

  parameter int unsigned DbWriteW = 52;
  typedef struct packed {
    logic [23:0] number;
    logic [15:0] tail;
    logic [7:0] fn;
    logic [2:0] kind;
    logic native;
  } db_write_t;

  parameter int unsigned WqeMmioW = 568;
  typedef struct packed {
    logic [63:0] d0;
    logic [63:0] d1;
    logic [63:0] d2;
    logic [63:0] d3;
    logic [63:0] d4;
    logic [63:0] d5;
    logic [63:0] d6;
    logic [63:0] d7;
    logic [23:0] number;
    logic [15:0] index;
    logic [7:0] fn;
    logic [3:0] part;
    logic [3:0] parts;
  } wqe_mmio_t;

  parameter int unsigned GidSetW = 219;
  typedef struct packed {
    logic [63:0] gid_hi;
    logic [63:0] gid_lo;
    logic [47:0] mac;
    logic [15:0] index;
    logic [15:0] vlan;
    logic [7:0] fn;
    logic [2:0] kind;
  } gid_set_t;

  parameter int unsigned MptSetW = 358;
  typedef struct packed {
    logic [63:0] va;
    logic [63:0] len;
    logic [63:0] pdir;
    logic [31:0] key;
    logic [31:0] pd;
    logic [31:0] access;
    logic [31:0] pages;
    logic [15:0] cookie;
    logic [7:0] fn;
    logic [3:0] op;
    logic [7:0] flags;
    logic [1:0] source;
  } mpt_set_t;

  parameter int unsigned MptDoneW = 24;
  typedef struct packed {
    logic [15:0] cookie;
    logic [7:0] status;
  } mpt_done_t;

  parameter int unsigned QpEventW = 36;
  typedef struct packed {
    logic [23:0] qn;
    logic [3:0] kind;
    logic [7:0] status;
  } qp_event_t;

  parameter int unsigned AsyncW = 48;
  typedef struct packed {
    logic [31:0] info;
    logic [7:0] type_;
    logic [7:0] fn;
  } async_t;

  parameter int unsigned QpReadyW = 44;
  typedef struct packed {
    logic [23:0] qn;
    logic [15:0] tail;
    logic native;
    logic [2:0] kind;
  } qp_ready_t;

  parameter int unsigned GrantW = 42;
  typedef struct packed {
    logic [23:0] qn;
    logic [15:0] tail;
    logic native;
    logic rung;
  } grant_t;

  parameter int unsigned QpGoW = 58;
  typedef struct packed {
    logic [23:0] qn;
    logic [15:0] cx;
    logic [15:0] tail;
    logic native;
    logic rung;
  } qp_go_t;

  parameter int unsigned QpDoneW = 28;
  typedef struct packed {
    logic [23:0] qn;
    logic [2:0] kind;
    logic part;
  } qp_done_t;

  parameter int unsigned CtxGetW = 45;
  typedef struct packed {
    logic [23:0] number;
    logic [15:0] cookie;
    logic [1:0] kind;
    logic [2:0] op;
  } ctx_get_t;

  parameter int unsigned CtxGotW = 60;
  typedef struct packed {
    logic [23:0] number;
    logic [15:0] cookie;
    logic [15:0] cx;
    logic [1:0] kind;
    logic [1:0] status;
  } ctx_got_t;

  parameter int unsigned RingSetW = 90;
  typedef struct packed {
    logic [63:0] pdir;
    logic [15:0] pages;
    logic [7:0] fn;
    logic [1:0] which;
  } ring_set_t;

  parameter int unsigned MsixSetW = 108;
  typedef struct packed {
    logic [63:0] addr;
    logic [31:0] data;
    logic [7:0] fn;
    logic [2:0] vector_;
    logic masked;
  } msix_set_t;

  parameter int unsigned CtxPutW = 20;
  typedef struct packed {
    logic [15:0] cx;
    logic [1:0] kind;
    logic [1:0] op;
  } ctx_put_t;

  parameter int unsigned WorkW = 59;
  typedef struct packed {
    logic [23:0] qn;
    logic [15:0] cx;
    logic [15:0] index;
    logic [2:0] status;
  } work_t;

  parameter int unsigned RqGetW = 58;
  typedef struct packed {
    logic [23:0] qn;
    logic [15:0] cx;
    logic [15:0] cookie;
    logic [1:0] op;
  } rq_get_t;

  parameter int unsigned RqWqeW = 43;
  typedef struct packed {
    logic [23:0] qn;
    logic [15:0] cookie;
    logic [2:0] status;
  } rq_wqe_t;

  parameter int unsigned RingGetW = 120;
  typedef struct packed {
    logic [63:0] pdir;
    logic [31:0] page;
    logic [15:0] cookie;
    logic [7:0] fn;
  } ring_get_t;

  parameter int unsigned RingGotW = 88;
  typedef struct packed {
    logic [63:0] addr;
    logic [15:0] cookie;
    logic [7:0] status;
  } ring_got_t;

  parameter int unsigned PktW = 912;
  typedef struct packed {
    logic [63:0] addr;
    logic [63:0] raddr;
    logic [63:0] op1;
    logic [63:0] op2;
    logic [63:0] dgid_hi;
    logic [63:0] dgid_lo;
    logic [47:0] dmac;
    logic [23:0] qn;
    logic [23:0] dqpn;
    logic [23:0] sqpn;
    logic [23:0] psn;
    logic [31:0] rkey;
    logic [31:0] imm;
    logic [31:0] lkey;
    logic [31:0] pd;
    logic [12:0] len;
    logic [12:0] off;
    logic [12:0] plen;
    logic [31:0] dlen;
    logic [31:0] aeth;
    logic [31:0] qkey;
    logic [19:0] flow_label;
    logic [15:0] flags;
    logic [15:0] pkey;
    logic [15:0] dlid;
    logic [7:0] sgid_index;
    logic [7:0] hop_limit;
    logic [7:0] tclass;
    logic [3:0] sl;
    logic [7:0] fn;
    logic [7:0] opcode;
    logic [7:0] status;
    logic source;
  } pkt_t;

  parameter int unsigned FrameW = 54;
  typedef struct packed {
    logic [13:0] len;
    logic [31:0] crc;
    logic [3:0] vl;
    logic [1:0] ecn;
    logic fc;
    logic loop;
  } frame_t;

  parameter int unsigned LinkFcW = 40;
  typedef struct packed {
    logic [15:0] fctbs;
    logic [15:0] fccl;
    logic [3:0] vl;
    logic [3:0] op;
  } link_fc_t;

  parameter int unsigned RxpW = 519;
  typedef struct packed {
    logic [63:0] raddr;
    logic [63:0] op1;
    logic [63:0] op2;
    logic [23:0] qn;
    logic [23:0] dqpn;
    logic [23:0] sqpn;
    logic [23:0] psn;
    logic [31:0] rkey;
    logic [31:0] dlen;
    logic [31:0] imm;
    logic [31:0] aeth;
    logic [31:0] qkey;
    logic [12:0] plen;
    logic [15:0] cx;
    logic [15:0] flags;
    logic [7:0] fn;
    logic [7:0] opcode;
    logic [7:0] verdict;
    logic [1:0] net;
  } rxp_t;

  parameter int unsigned PlaceW = 296;
  typedef struct packed {
    logic [63:0] addr;
    logic [23:0] qn;
    logic [31:0] key;
    logic [31:0] pd;
    logic [31:0] len;
    logic [31:0] cookie;
    logic [31:0] access;
    logic [15:0] cx;
    logic [15:0] flags;
    logic [7:0] fn;
    logic [7:0] status;
  } place_t;

  parameter int unsigned ExecW = 503;
  typedef struct packed {
    logic [63:0] raddr;
    logic [63:0] op1;
    logic [63:0] op2;
    logic [23:0] qn;
    logic [23:0] psn;
    logic [31:0] rkey;
    logic [31:0] dlen;
    logic [31:0] imm;
    logic [12:0] plen;
    logic [23:0] msn;
    logic [23:0] sqpn;
    logic [31:0] byte_len;
    logic [15:0] pieces;
    logic [15:0] cx;
    logic [15:0] flags;
    logic [7:0] fn;
    logic [7:0] opcode;
    logic [7:0] verdict;
    logic [1:0] net;
  } exec_t;

  parameter int unsigned RdReqW = 105;
  typedef struct packed {
    logic [63:0] addr;
    logic [12:0] len;
    logic [15:0] cookie;
    logic [7:0] fn;
    logic [3:0] cls;
  } rd_req_t;

  parameter int unsigned RdRspW = 19;
  typedef struct packed {
    logic [15:0] cookie;
    logic [2:0] status;
  } rd_rsp_t;

  parameter int unsigned WrReqW = 145;
  typedef struct packed {
    logic [63:0] addr;
    logic [12:0] len;
    logic [31:0] cookie;
    logic [15:0] flags;
    logic [7:0] fn;
    logic [3:0] cls;
    logic [7:0] status;
  } wr_req_t;

  parameter int unsigned WrDoneW = 40;
  typedef struct packed {
    logic [31:0] cookie;
    logic [7:0] status;
  } wr_done_t;

  parameter int unsigned TlpW = 216;
  typedef struct packed {
    logic [63:0] addr;
    logic [63:0] value;
    logic [12:0] len;
    logic [12:0] left;
    logic [15:0] tag;
    logic [15:0] rid;
    logic [7:0] tlps;
    logic [7:0] fn;
    logic [3:0] type_;
    logic [3:0] cls;
    logic [2:0] status;
    logic [2:0] attr;
  } tlp_t;

  parameter int unsigned CreditW = 56;
  typedef struct packed {
    logic [15:0] ph;
    logic [15:0] pd;
    logic [15:0] nph;
    logic [7:0] hca;
  } credit_t;

  parameter int unsigned BenchOpW = 138;
  typedef struct packed {
    logic [63:0] addr;
    logic [31:0] len;
    logic [31:0] cookie;
    logic [7:0] fn;
    logic [1:0] kind;
  } bench_op_t;

  parameter int unsigned BenchResW = 35;
  typedef struct packed {
    logic [31:0] cookie;
    logic [2:0] status;
  } bench_res_t;

  parameter int unsigned CqeW = 370;
  typedef struct packed {
    logic [63:0] wr_id;
    logic [63:0] head_addr;
    logic [23:0] cqn;
    logic [23:0] qn;
    logic [23:0] handle;
    logic [31:0] byte_len;
    logic [31:0] imm;
    logic [23:0] src_qp;
    logic [31:0] head;
    logic [15:0] flags;
    logic [7:0] fn;
    logic [7:0] opcode;
    logic [7:0] status;
    logic [1:0] net;
    logic [7:0] vendor_err;
  } cqe_t;

  parameter int unsigned CqArmW = 27;
  typedef struct packed {
    logic [23:0] cqn;
    logic [2:0] kind;
  } cq_arm_t;

  parameter int unsigned CqEventW = 40;
  typedef struct packed {
    logic [23:0] cqn;
    logic [7:0] fn;
    logic [7:0] vector_;
  } cq_event_t;

  parameter int unsigned SeenW = 97;
  typedef struct packed {
    logic [63:0] addr;
    logic [12:0] len;
    logic [15:0] rid;
    logic [3:0] cls;
  } seen_t;

  parameter int unsigned IrqW = 112;
  typedef struct packed {
    logic [63:0] addr;
    logic [31:0] data;
    logic [15:0] rid;
  } irq_t;

  parameter int unsigned MemReqW = 88;
  typedef struct packed {
    logic [63:0] addr;
    logic [15:0] cookie;
    logic [7:0] len;
  } mem_req_t;

  parameter int unsigned MemRspW = 147;
  typedef struct packed {
    logic [63:0] value;
    logic [63:0] value2;
    logic [15:0] cookie;
    logic [2:0] status;
  } mem_rsp_t;
endpackage
// verilator lint_on UNUSEDPARAM
