"""Operations that untrusted models may use, because the operations do not affect the host.

This is an allow-list because TensorFlow registers about 1,900 operations, and some that read or
write files (`ReadFile`, `MatchingFiles`) are not marked as stateful.
"""

_PLUMBING = """
    Const Placeholder PlaceholderV2 PlaceholderWithDefault Identity IdentityN NoOp StopGradient
    PreventGradient Snapshot Bitcast Cast Assert CheckNumerics CheckNumericsV2 EnsureShape
    GuaranteeConst OnesLike ZerosLike DeepCopy
"""

_VARIABLES = """
    Variable VariableV2 VarHandleOp ReadVariableOp ResourceGather ResourceGatherNd VariableShape
    IsVariableInitialized VarIsInitializedOp
"""

_CONTROL_FLOW = """
    Switch RefSwitch Merge RefMerge Enter RefEnter Exit RefExit NextIteration RefNextIteration
    LoopCond If StatelessIf While StatelessWhile Case StatelessCase PartitionedCall
    StatefulPartitionedCall
"""

_ARRAYS = """
    BatchToSpace BatchToSpaceND BroadcastArgs BroadcastTo Concat ConcatV2 ConcatOffset DepthToSpace
    Diag DiagPart Dequantize DynamicPartition DynamicStitch ParallelDynamicStitch ExpandDims
    ExtractImagePatches FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars
    FakeQuantWithMinMaxVarsPerChannel Fill Gather GatherNd GatherV2 InvertPermutation ListDiff
    LinSpace MatrixBandPart MatrixDiag MatrixDiagPart MatrixSetDiag MirrorPad OneHot Pack
    ParallelConcat Pad PadV2 QuantizeAndDequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3
    QuantizeV2 Range Rank Reshape ResourceStridedSliceAssign Reverse ReverseSequence ReverseV2
    Roll ScatterNd Select SelectV2 Shape ShapeN Size Slice SpaceToBatch SpaceToBatchND SpaceToDepth
    Split SplitV Squeeze StridedSlice TensorScatterAdd TensorScatterUpdate Tile Transpose
    ConjugateTranspose Unique UniqueV2 UniqueWithCounts Unpack UnravelIndex UpperBound LowerBound
    Where ZerosLike
"""

_MATHS = """
    Abs AccumulateNV2 Acos Acosh Add AddN AddV2 All Any ApproximateEqual ArgMax ArgMin Asin Asinh
    Atan Atan2 Atanh BatchMatMul BatchMatMulV2 BatchMatMulV3 Betainc Bincount DenseBincount
    BitwiseAnd BitwiseOr BitwiseXor Bucketize Ceil ClipByValue Complex ComplexAbs Conj Cos Cosh
    Cross Cumprod Cumsum Digamma Div DivNoNan Einsum Equal Erf Erfc Erfinv Exp Expm1 Floor FloorDiv
    FloorMod Greater GreaterEqual HistogramFixedWidth Imag Inv Invert IsFinite IsInf IsNan LeftShift
    Less LessEqual Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr MatMul Max Maximum Mean Min
    Minimum Mod Mul MulNoNan Neg NextAfter NotEqual Pow Prod RealDiv Real Reciprocal RightShift
    Rint Round Rsqrt SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum Sigmoid Sign Sin Sinh
    Sqrt Square SquaredDifference Sub Sum Tan Tanh TruncateDiv TruncateMod UnsortedSegmentMax
    UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum Xdivy Xlogy Zeta
"""

_NEURAL_NETWORKS = """
    AvgPool AvgPool3D BiasAdd BiasAddV1 Conv2D Conv2DBackpropInput Conv3D Conv3DBackpropInputV2
    DepthwiseConv2dNative DepthwiseConv2dNativeBackpropInput Dilation2D Elu FractionalAvgPool
    FractionalMaxPool FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3
    BatchNormWithGlobalNormalization FusedPadConv2D FusedResizeAndPadConv2D InTopK InTopKV2 L2Loss
    LRN LeakyRelu LogSoftmax MaxPool
    MaxPool3D MaxPoolV2 MaxPoolWithArgmax NthElement Relu Relu6 Selu Softmax Softplus Softsign TopK
    TopKV2 _FusedConv2D _FusedMatMul _FusedDepthwiseConv2dNative
    RandomUniform RandomUniformInt RandomStandardNormal TruncatedNormal
    StatelessRandomUniform StatelessRandomUniformV2 StatelessRandomNormal StatelessRandomNormalV2
    StatelessRandomGetKeyCounter StatelessRandomGetAlg StatelessRandomGetKeyCounterAlg
"""

_IMAGES = """
    AdjustContrastv2 AdjustHue AdjustSaturation CombinedNonMaxSuppression CropAndResize
    DecodeBmp DecodeImage DecodeJpeg DecodePng DecodeRaw DrawBoundingBoxes DrawBoundingBoxesV2
    ExtractGlimpse HSVToRGB NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3
    NonMaxSuppressionV4 NonMaxSuppressionV5 NonMaxSuppressionWithOverlaps RGBToHSV ResizeArea
    ResizeBicubic ResizeBilinear ResizeNearestNeighbor ScaleAndTranslate ImageProjectiveTransformV2
    ImageProjectiveTransformV3
"""

_COLLECTIONS = """
    TensorArrayV3 TensorArrayReadV3 TensorArrayWriteV3 TensorArrayGatherV3 TensorArrayScatterV3
    TensorArraySizeV3 TensorArraySplitV3 TensorArrayConcatV3 TensorArrayCloseV3
    EmptyTensorList TensorListReserve TensorListFromTensor TensorListStack TensorListGetItem
    TensorListSetItem TensorListPushBack TensorListPopBack TensorListLength TensorListResize
    TensorListElementShape TensorListConcatV2 TensorListGather TensorListScatterV2
    ParseExample ParseExampleV2 ParseSingleExample StringJoin AsString StringToNumber
    HashTable HashTableV2 LookupTableFind LookupTableFindV2 LookupTableImport LookupTableImportV2
    LookupTableSize LookupTableSizeV2 InitializeTable InitializeTableV2
"""

ALLOWED_OPS = frozenset(
    f"{_PLUMBING} {_VARIABLES} {_CONTROL_FLOW} {_ARRAYS} {_MATHS} {_NEURAL_NETWORKS} {_IMAGES} "
    f"{_COLLECTIONS}".split()
)

# Operations that TensorFlow runs, in addition, when it loads a model. They are allowed only in
# nodes that restore and initialize the model.
_LOADING = """
    Assign AssignVariableOp RestoreV2 Restore RestoreSlice ShardedFilename ShardedFilespec
    MergeV2Checkpoints DisableCopyOnRead
"""
LOADING_OPS = ALLOWED_OPS | frozenset(_LOADING.split())
